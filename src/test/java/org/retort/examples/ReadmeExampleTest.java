package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.ChildJvm;

final class ReadmeExampleTest {
  @TempDir private Path folder;

  @Test
  void main_run_printsEachStepAndSavesTheStudent() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, ReadmeExample.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output().lines())
          .hasSize(10)
          .allMatch(line -> line.matches("step .\\d: loss \\d+\\D\\d{3}, \\d+ of 64 correct"));
      assertThat(child.jniComplaints()).isEmpty();
    }
    try (Network student = ResNet.cifar(8, 10)) {
      student.loadStateDict(folder.resolve("student.pt"));
    }
  }
}
