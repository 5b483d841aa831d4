package org.retort.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class AtomicFileTest {
  @TempDir private Path folder;

  @Test
  void write_oldFile_isReplaced() throws IOException {
    Path file = folder.resolve("a.txt");
    AtomicFile.write(file, "old and longer".getBytes(UTF_8));
    AtomicFile.write(file, "new".getBytes(UTF_8));
    assertThat(file).hasContent("new");
    assertThat(folder).isDirectoryContaining(file::equals);
    assertThat(folder.toFile().list()).containsExactly("a.txt");
  }

  @Test
  void write_targetCannotBeReplaced_leavesNothingBehind() throws IOException {
    Path target = folder.resolve("a.txt");
    Files.createDirectories(target.resolve("child"));
    assertThatThrownBy(() -> AtomicFile.write(target, new byte[10]))
        .isInstanceOf(IOException.class);
    assertThat(folder.toFile().list()).containsExactly("a.txt");
  }
}
