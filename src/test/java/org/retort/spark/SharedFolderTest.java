package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;

@Tag("spark")
final class SharedFolderTest {
  @TempDir private Path folder;

  private SharedFolder open() {
    return SharedFolder.open(folder.resolve("shared").toUri().toString(), new Configuration());
  }

  private static InputStream stream(String text) {
    return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
  }

  private List<String> names(String inner) throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("shared").resolve(inner))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> !name.endsWith(".crc") && !name.startsWith(".writer"))
          .sorted()
          .toList();
    }
  }

  @Test
  void keep_severalTimes_leavesTheNewest() throws IOException {
    SharedFolder shared = open();
    for (int i = 1; i <= 3; i++) {
      shared.keep("student/last.pt", stream("state " + i));
      shared.keep("teacher.pt", stream("teacher " + i));
    }
    assertThat(names("student")).containsExactly("last.pt.0001-00000003");
    assertThat(names("")).containsExactly("student", "teacher.pt.0001-00000003");
    Path local = Files.createDirectory(folder.resolve("local"));
    open().copyTo(local);
    assertThat(local.resolve("student/last.pt")).hasContent("state 3");
    assertThat(local.resolve("teacher.pt")).hasContent("teacher 3");
  }

  @Test
  void copyTo_afterAWriterThatDied_takesTheNewestWholeFile() throws IOException {
    open().keep("last.pt", stream("old"));
    Path shared = folder.resolve("shared");
    Files.writeString(shared.resolve(".1234.unfinished"), "ha");
    Files.writeString(shared.resolve("last.pt.0001-00000002"), "new"); // the old one is left
    Path local = Files.createDirectory(folder.resolve("local"));
    open().copyTo(local);
    assertThat(local.resolve("last.pt")).hasContent("new");
    open().keep("last.pt", stream("newest"));
    assertThat(names("")).contains("last.pt.0003-00000001").noneMatch(n -> n.contains(".0001-"));
  }

  @Test
  void keep_contentThatFails_leavesWhatWasThere() throws IOException {
    SharedFolder shared = open();
    shared.keep("last.pt", stream("old"));
    InputStream failing =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("gone");
          }
        };
    assertThatThrownBy(() -> shared.keep("last.pt", failing))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith("SparkDistillation.checkpoints: folder must be writable (got file:")
        .hasMessageEndingWith("shared: gone)");
    assertThat(names("")).containsExactly("last.pt.0001-00000001");
  }

  @Test
  void keep_byAWriterThatWasGivenUp_doesNotHideItsSuccessor() throws IOException {
    SharedFolder old = open();
    old.keep("last.pt", stream("old"));
    SharedFolder successor = open();
    Path local = Files.createDirectory(folder.resolve("local"));
    successor.copyTo(local);
    assertThat(local.resolve("last.pt")).hasContent("old");
    successor.keep("last.pt", stream("of the successor"));
    for (int i = 0; i < 3; i++) {
      old.keep("last.pt", stream("late"));
    }
    open().copyTo(local);
    assertThat(local.resolve("last.pt")).hasContent("of the successor");
    successor.keep("last.pt", stream("newest"));
    assertThat(names("")).containsExactly("last.pt.0002-00000002");
  }

  @Test
  void open_whereNoFolderCanBe_tellsSo() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    assertThatThrownBy(
            () -> SharedFolder.open(file.resolve("inner").toString(), new Configuration()))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "SparkDistillation.checkpoints: folder must be one that exists or can be created (got ");
    assertThatThrownBy(() -> SharedFolder.open("nowhere://x/y", new Configuration()))
        .isInstanceOf(FileException.class);
  }

  @Test
  void uploads_changedFiles_areKeptOnce() throws Exception {
    Path local = Files.createDirectories(folder.resolve("local/student")).getParent();
    try (Uploads uploads = new Uploads(local, open())) {
      Path file = local.resolve("student/last.pt");
      for (int i = 1; i <= 4; i++) {
        Path written = local.resolve("written");
        Files.writeString(written, "state " + i);
        Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);
        uploads.keepChanged(local);
        uploads.keepChanged(local); // nothing has changed
      }
      uploads.await();
    }
    Path read = Files.createDirectory(folder.resolve("read"));
    open().copyTo(read);
    assertThat(read.resolve("student/last.pt")).hasContent("state 4");
    assertThat(names("student")).hasSize(1).first().asString().matches("last.pt.0001-0000000[1-4]");
  }

  @Test
  void uploads_thatFail_tellSo() throws Exception {
    Path local = Files.createDirectory(folder.resolve("local"));
    SharedFolder shared = open();
    Files.createFile(folder.resolve("shared/inner")); // where a folder is to be
    try (Uploads uploads = new Uploads(local, shared)) {
      Files.createDirectory(local.resolve("inner"));
      Files.writeString(local.resolve("inner/a"), "a");
      uploads.keepChanged(local);
      assertThatThrownBy(uploads::await).isInstanceOf(FileException.class);
      Files.writeString(local.resolve("b"), "b");
      assertThatThrownBy(() -> uploads.keepChanged(local)).isInstanceOf(FileException.class);
    }
  }

  @Test
  void uploads_filesThatAreThereAlready_areNotKeptAgain() throws Exception {
    open().keep("last.pt", stream("old"));
    Path local = Files.createDirectory(folder.resolve("local"));
    SharedFolder shared = open();
    shared.copyTo(local);
    try (Uploads uploads = new Uploads(local, shared)) {
      uploads.keepChanged(local);
      uploads.await();
    }
    assertThat(names("")).containsExactly("last.pt.0001-00000001");
  }
}
