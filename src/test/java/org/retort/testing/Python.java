package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/** The Python with PyTorch that the environment variable {@code RETORT_PYTHON} names, if any. */
public final class Python {
  private Python() {}

  /** Runs a script with one argument and returns what it prints; skips the test without Python. */
  public static String run(Path argument, String... lines)
      throws IOException, InterruptedException {
    String python = System.getenv("RETORT_PYTHON");
    Assumptions.assumeTrue(
        python != null && !python.isEmpty(), "RETORT_PYTHON names no Python with PyTorch");
    Process process =
        new ProcessBuilder(List.of(python, "-c", String.join("\n", lines), argument.toString()))
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }
}
