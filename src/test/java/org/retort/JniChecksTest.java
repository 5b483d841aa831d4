package org.retort;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;
import org.retort.testing.EveryCall;
import org.retort.testing.KeptReferences;

final class JniChecksTest {
  @TempDir private Path folder;

  @Test
  void everyCall_checked_drawsNoComplaint() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, EveryCall.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("done");
      assertThat(child.jniComplaints()).isEmpty();
    }
  }

  @Test
  void everyCall_repeated_keepsNoMoreReferences() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, KeptReferences.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      List<Integer> kept =
          child
              .output()
              .lines()
              .filter(line -> line.startsWith(KeptReferences.PREFIX))
              .map(line -> Integer.valueOf(line.substring(KeptReferences.PREFIX.length())))
              .toList();
      assertThat(kept).hasSize(3);
      // The first time, JavaCPP keeps the classes that it meets; the virtual machine itself keeps
      // one more or less.
      assertThat(kept.get(2) - kept.get(1)).as("%s", kept).isLessThan(KeptReferences.FAILURES);
    }
  }
}
