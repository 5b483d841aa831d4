package org.retort;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;
import org.retort.testing.EveryCall;

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
}
