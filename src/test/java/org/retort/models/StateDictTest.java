package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.Bits;
import org.retort.testing.Python;

final class StateDictTest {
  private static final String LOAD = "Network.load_state_dict: ";

  @AutoClose private final Network network = ResNet.cifar(8, 5);
  @AutoClose private final Network other = ResNet.cifar(8, 5);
  @TempDir private Path folder;

  @Test
  void loadStateDict_saved_isTheSameBitForBit() {
    Map<String, ByteBuffer> state = Bits.of(network.stateDict());
    assertThat(Bits.of(other.stateDict())).isNotEqualTo(state);
    Path file = folder.resolve("state.pt");

    network.saveStateDict(file);
    other.loadStateDict(file);

    assertThat(Bits.of(other.stateDict())).isEqualTo(state);
  }

  @Test
  void saveStateDict_overAnother_leavesOneWholeFile() {
    Path file = folder.resolve("state.pt");
    network.saveStateDict(file);
    other.saveStateDict(file);
    network.loadStateDict(file);
    assertThat(Bits.of(network.stateDict())).isEqualTo(Bits.of(other.stateDict()));
    assertThat(folder.toFile().list()).containsExactly("state.pt");
  }

  @Test
  void saveStateDict_whereItCant_isRefusedAndLeavesNothing() throws IOException {
    Path nowhere = folder.resolve("nowhere").resolve("state.pt");
    assertFileRefused(
        () -> network.saveStateDict(nowhere),
        "Network.save_state_dict: path must be a file that can be written (got "
            + nowhere
            + ": No such file or directory)");
    Path directory = Files.createDirectory(folder.resolve("directory"));
    assertFileRefused(
        () -> network.saveStateDict(directory),
        "Network.save_state_dict: path must be a file that can be written (got "
            + directory
            + ": Is a directory)");
    assertThat(folder.toFile().list()).containsExactly("directory");
  }

  @Test
  void saveAndLoad_noFile_isRejected() {
    assertIllegal(
        () -> network.saveStateDict((Path) null),
        "ResNet.saveStateDict: file must be given (got null)");
    assertIllegal(
        () -> network.loadStateDict((Path) null),
        "ResNet.loadStateDict: file must be given (got null)");
    for (Path file : new Path[] {folder.resolve("nowhere.pt"), folder}) {
      assertFileRefused(
          () -> network.loadStateDict(file),
          LOAD + "path must be an existing file (got " + file + ")");
    }
  }

  @Test
  void loadStateDict_foreignFile_isRefused() throws IOException {
    Path text = Files.writeString(folder.resolve("text.pt"), "not a state dict");
    Path empty = Files.createFile(folder.resolve("empty.pt"));
    Path whole = folder.resolve("whole.pt");
    network.saveStateDict(whole);
    byte[] bytes = Files.readAllBytes(whole);
    Path cut = Files.write(folder.resolve("cut.pt"), Arrays.copyOf(bytes, bytes.length / 2));
    for (Path file : new Path[] {text, empty, cut}) {
      assertLoadRefused(
          file,
          LOAD
              + "file must be a dict of tensors saved by torch.save in its zip format (got "
              + file
              + ")");
    }
  }

  @Test
  void loadStateDict_ofAnotherNetwork_isRefused() {
    Path deeper = save(ResNet.cifar(14, 5));
    assertLoadRefused(
        deeper,
        LOAD + deeper + " must have the network's entries only (got layer1.1.conv1.weight)");
    Path moreClasses = save(ResNet.cifar(8, 6));
    assertLoadRefused(moreClasses, LOAD + "fc.weight must be of shape [5, 64] (got [6, 64])");
    Path file = save(ResNet.cifar(8, 5));
    try (Network larger = ResNet.cifar(14, 5)) {
      assertFileRefused(
          () -> larger.loadStateDict(file),
          LOAD + file + " must have the entry layer1.1.conv1.weight (got none)");
    }
  }

  @Test
  void saveStateDict_isReadByPython() throws IOException, InterruptedException {
    Path file = folder.resolve("state.pt");
    network.saveStateDict(file);
    String output =
        Python.run(
            file,
            "import sys, torch",
            "state = torch.load(sys.argv[1], weights_only=True)",
            "print(len(state), list(state)[-1], state['fc.weight'].dtype)",
            "print(sum(v.numel() for k, v in state.items() if k.endswith(('weight', 'bias'))))",
            "state['fc.bias'] = torch.arange(5, dtype=torch.float64)",
            "torch.save({'model': state, 'epoch': 3}, sys.argv[1])");
    assertThat(output.lines())
        .containsExactly("56 fc.bias torch.float32", Long.toString(network.parameterCount()));

    other.loadStateDict(file);

    assertThat(other.stateDict().get("fc.bias").sum().item_double()).isEqualTo(10);
  }

  private Path save(Network saved) {
    Path file = folder.resolve(saved.parameterCount() + ".pt");
    try (saved) {
      saved.saveStateDict(file);
    }
    return file;
  }

  private void assertLoadRefused(Path file, String message) {
    Map<String, ByteBuffer> before = Bits.of(network.stateDict());
    assertFileRefused(() -> network.loadStateDict(file), message);
    assertThat(Bits.of(network.stateDict())).isEqualTo(before);
  }
}
