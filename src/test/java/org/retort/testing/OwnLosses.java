package org.retort.testing;

import java.nio.file.Files;
import java.nio.file.Path;

/** Attention transfer, as a program and as a team's library, which the native build makes. */
public final class OwnLosses {
  /** Takes {@code student_taps} and {@code teacher_taps}. */
  public static final Path PROGRAM = Path.of("native/tests/programs/attention_transfer.ts");

  private OwnLosses() {}

  /** Returns the library, which registers {@code attention_transfer} with the option power. */
  public static Path builtLibrary() {
    return built("libattention_transfer.so");
  }

  /** Returns a file of the native tests' build. */
  public static Path built(String name) {
    Path file = Path.of("target/native/tests", name).toAbsolutePath();
    if (!Files.exists(file)) {
      throw new AssertionError(file + " must have been built: ninja -C target/native");
    }
    return file;
  }
}
