package org.retort.examples.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;

final class DigitsServiceTest {
  private static final int INTERRUPTED = 130;

  @TempDir private Path folder;

  @Test
  void main_interrupted_savesAndEnds() throws Exception {
    try (ChildJvm child = start("--port", "0", "--folder", ".", "--teacher-epochs", "1")) {
      child.awaitFile(folder.resolve("teacher.pt"));
      Client client = new Client(RunningService.address(child));
      assertThat(client.send("GET", "/status", "").statusCode()).isEqualTo(200);

      child.interrupt();

      assertThat(child.await()).as(child.output()).isEqualTo(INTERRUPTED);
      assertThat(child.jniComplaints()).isEmpty();
      assertThat(folder.resolve("checkpoint.retort")).isNotEmptyFile();
    }
  }

  @Test
  void main_wrongValue_failsInOneLine() throws Exception {
    try (ChildJvm child = start("--batch", "0")) {
      assertThat(child.await()).isEqualTo(1);
      assertThat(child.output()).isEqualTo("service: batch size must be positive (got 0)\n");
    }
  }

  private ChildJvm start(String... options) throws Exception {
    return ChildJvm.start(folder, DigitsService.class, options);
  }
}
