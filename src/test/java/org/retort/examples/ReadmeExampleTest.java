package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.ChildJvm;

final class ReadmeExampleTest {
  @TempDir private Path folder;

  @Test
  void main_run_printsAccuraciesAndSavesTheStudent() throws Exception {
    try (ChildJvm child =
        ChildJvm.start(folder, List.of(ChildJvm.NATIVE_ACCESS), ReadmeExample.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      List<String> lines = child.output().lines().toList();
      assertThat(lines).hasSize(2);
      assertThat(accuracy("teacher", lines.get(0))).isGreaterThan(95);
      assertThat(accuracy("student", lines.get(1))).isGreaterThan(93);
      assertThat(child.jniComplaints()).isEmpty();
    }
    try (Network student = ResNet.cifar(8, 10, 1)) {
      student.loadStateDict(folder.resolve("student.pt"));
    }
  }

  private static double accuracy(String network, String line) {
    Matcher matcher = Pattern.compile(network + ": (\\d+)\\D(\\d) % correct").matcher(line);
    assertThat(matcher.matches()).as(line).isTrue();
    return Double.parseDouble(matcher.group(1) + "." + matcher.group(2));
  }
}
