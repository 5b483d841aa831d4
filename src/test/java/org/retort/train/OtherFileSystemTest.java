package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.ReadOnlyFileSystemException;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;

/** Files in a zip file, whose paths must not be taken for paths on the disk. */
final class OtherFileSystemTest {
  @TempDir private Path folder;
  private Path archive;
  private FileSystem zip;
  private SmallStep small;

  @BeforeEach
  void open() throws IOException {
    archive = folder.resolve("archive.zip");
    zip = FileSystems.newFileSystem(archive, Map.of("create", "true"));
    small = new SmallStep();
  }

  @AfterEach
  void close() throws IOException {
    small.close();
    zip.close();
  }

  @Test
  void files_inAZipFile_areSavedAndLoaded() throws IOException {
    Path networks = Files.createDirectory(zip.getPath("/retort networks"));
    small.student.saveStateDict(networks.resolve("state.pt"));
    small.student.saveTorchScript(networks.resolve("network.ts"));
    small.runSteps(1);
    small.step.save(zip.getPath("retort step"), "note");
    Map<String, ByteBuffer> after = small.state();

    zip.close();
    zip = FileSystems.newFileSystem(archive);

    networks = zip.getPath("/retort networks");
    assertThat(names(networks)).containsExactlyInAnyOrder("state.pt", "network.ts");
    assertThat(names(zip.getPath("/"))).containsExactly("retort networks", "retort step");
    assertThat(folder.toFile().list()).containsExactly("archive.zip");
    assertThat(Path.of("/retort networks")).doesNotExist();
    assertThat(Path.of("retort step")).doesNotExist();

    try (Network other = ResNet.cifar(8, SmallStep.CLASSES);
        Network program = TorchScriptNetwork.load(networks.resolve("network.ts"), "stem")) {
      other.loadStateDict(networks.resolve("state.pt"));
      assertThat(Bits.of(program.stateDict())).isEqualTo(Bits.of(other.stateDict()));
      assertThat(program.taps()).containsExactly("stem");
    }
    small.runSteps(1);
    assertThat(small.step.load(zip.getPath("/retort step"))).isEqualTo("note");
    assertThat(small.state()).isEqualTo(after);
  }

  @Test
  void checkpoint_inAZipFile_isTheStepItWasTakenOf() throws IOException {
    small.runSteps(1);
    Map<String, ByteBuffer> after = small.state();
    Path file = zip.getPath("/step");
    try (StepCheckpoint checkpoint = small.step.checkpoint("note")) {
      small.runSteps(1);
      checkpoint.write(file);
    }
    assertThat(small.step.load(file)).isEqualTo("note");
    assertThat(small.state()).isEqualTo(after);
    assertThat(names(zip.getPath("/"))).containsExactly("step");
  }

  @Test
  void save_overAnother_leavesOneWholeFile() throws IOException {
    Path file = zip.getPath("/state.pt");
    small.teacher.saveStateDict(file);
    small.student.saveStateDict(file);
    small.teacher.loadStateDict(file);
    assertThat(Bits.of(small.teacher.stateDict())).isEqualTo(Bits.of(small.student.stateDict()));
    assertThat(names(zip.getPath("/"))).containsExactly("state.pt");
  }

  @Test
  void save_whereItCant_isRefusedAndLeavesNothing() throws IOException {
    Path nowhere = zip.getPath("/nowhere/step");
    assertThatThrownBy(() -> small.step.save(nowhere))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "TrainingStep.save: file must be one that can be written (got /nowhere/step: ")
        .hasCauseInstanceOf(IOException.class)
        .message()
        .hasLineCount(1);
    Path directory = Files.createDirectory(zip.getPath("/directory"));
    assertThatThrownBy(() -> small.student.saveStateDict(directory))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("Is a directory");
    assertThat(names(zip.getPath("/"))).containsExactly("directory");
    assertThat(names(directory)).isEmpty();
  }

  @Test
  void save_toAReadOnlyFileSystem_isRefused() {
    Path file = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules/state.pt");
    assertThatThrownBy(() -> small.student.saveStateDict(file))
        .isInstanceOf(FileException.class)
        .hasCauseInstanceOf(ReadOnlyFileSystemException.class);
  }

  @Test
  void file_missingOrForeign_isRefusedAndChangesNothing() throws IOException {
    Map<String, ByteBuffer> before = small.state();
    Path missing = zip.getPath("/missing\n");
    for (Runnable load : loads(missing)) {
      assertThatThrownBy(load::run)
          .isInstanceOf(FileException.class)
          .hasMessageContaining("file must be one that can be read (got /missing\\n: ")
          .hasCauseInstanceOf(IOException.class)
          .message()
          .hasLineCount(1);
    }
    Path text = Files.writeString(zip.getPath("/text"), "no network");
    assertFileRefused(
        () -> small.student.loadStateDict(text),
        "Network.load_state_dict: file must be a dict of tensors saved by torch.save in its zip"
            + " format (got /text)");
    assertFileRefused(
        () -> small.step.load(text),
        "TrainingStep.load: file must be a checkpoint of Retort (got /text)");
    for (Runnable load : loads(text)) {
      assertThatThrownBy(load::run).isInstanceOf(FileException.class);
    }
    zip.close();
    for (Runnable load : loads(text)) {
      assertThatThrownBy(load::run).isInstanceOf(FileException.class);
    }
    assertThat(small.state()).isEqualTo(before);
  }

  private List<Runnable> loads(Path file) {
    return List.of(
        () -> small.student.loadStateDict(file),
        () -> TorchScriptNetwork.load(file),
        () -> small.step.load(file));
  }

  @Test
  void cache_inAZipFile_isRejectedWithTheReason() {
    assertIllegal(
        () -> Teacher.of(small.teacher).withCache(8, zip.getPath("/cache")),
        "Teacher: file must be of the default file system, since it is read and written in place"
            + " (got /cache of jar)");
  }

  @Test
  void storedOutputs_inAZipFile_areReadButNotWritten() throws IOException {
    Path file = folder.resolve("outputs");
    StoredOutputsFormat format = StoredOutputsFormat.of(1, 2);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      writer.write(new long[] {0}, new float[] {1, 2});
      writer.finish();
    }
    Path copy = Files.copy(file, zip.getPath("/outputs"));
    for (FileAccess access : FileAccess.values()) {
      try (StoredOutputs outputs = StoredOutputs.open(copy, access);
          Tensor logits = outputs.logits(0)) {
        assertThat(logits.createBuffer().remaining()).isEqualTo(2);
      }
    }
    assertIllegal(
        () -> StoredOutputs.writer(copy, format),
        "StoredOutputs.writer: file must be of the default file system, since it is written in"
            + " place (got /outputs of jar)");
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString().replace("/", "")).sorted().toList();
    }
  }
}
