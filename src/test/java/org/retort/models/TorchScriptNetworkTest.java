package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.RetortException;
import org.retort.testing.Bits;
import org.retort.testing.Program;

final class TorchScriptNetworkTest {
  private static final String LOGITS = "logits = torch.linear(x.flatten(1), self.weight)";

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;

  @Test
  void taps_ofAList_areItsIndices() {
    try (Network network = load("return logits, [x, logits]")) {
      assertThat(network.taps()).isEmpty();
      network.probe(3, 2, 2);
      assertThat(network.taps()).containsExactly("0", "1");
      assertThat(network.tapShape("0")).containsExactly(3, 2, 2);
      assertThat(network.tapShape("1")).containsExactly(5);
      assertThat(network.parameterCount()).isEqualTo(5 * Program.INPUTS);
    }
  }

  @Test
  void taps_ofATuple_areItsIndices() {
    try (Network network = load("return logits, (x, logits)")) {
      network.probe(3, 2, 2);
      assertThat(network.taps()).containsExactly("0", "1");
    }
  }

  @Test
  void taps_ofADict_areItsKeys() {
    try (Network network = load("return logits, {'pixels': x, 'scores': logits}")) {
      network.probe(3, 2, 2);
      assertThat(network.taps()).containsExactly("pixels", "scores");
      assertThat(network.tapShape("scores")).containsExactly(5);
    }
  }

  @Test
  void taps_named_areInTheGivenOrder() {
    try (Network list = load("return logits, [x, logits]", "pixels", "scores");
        Network dict = load("return logits, {'a': x, 'b': x, 'c': logits}", "c", "a")) {
      for (Network network : new Network[] {list, dict}) {
        network.probe(3, 2, 2);
      }
      assertThat(list.taps()).containsExactly("pixels", "scores");
      assertThat(dict.taps()).containsExactly("c", "a");
      assertThat(dict.tapShape("c")).containsExactly(5);
    }
  }

  @Test
  void taps_namedWrong_isRefused() {
    assertProbeRefused(
        load("return logits, [x, logits]", "pixels"),
        "Network.forward: features must be one for each of 1 taps (got 2)");
    assertProbeRefused(
        load("return logits, {'a': x}", "b"),
        "TorchScriptNetwork: features must have the key b (got 1 others)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "return logits | forward must return (logits, features) (got Tensor)",
        "return logits, [x], x"
            + " | forward must return (logits, features) (got (Tensor, Tensor[], Tensor))",
        "return 1, [x] | forward must return (logits, features) (got (int, Tensor[]))",
        "return logits, x | features must be a dict, list or tuple of tensors (got Tensor)",
        "return logits, [1, 2] | features must be a dict, list or tuple of tensors (got int[])",
        "return logits, (x, 2)"
            + " | features must be a dict, list or tuple of tensors (got (Tensor, int))",
        "return logits, {1: x}"
            + " | features must be a dict, list or tuple of tensors (got Dict(int, Tensor))",
        "return logits, {'a': 1}"
            + " | features must be a dict, list or tuple of tensors (got Dict(str, int))"
      })
  void probe_otherOutput_isRefused(String body, String rule) {
    assertProbeRefused(load(body), "TorchScriptNetwork: " + rule);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "return logits.sum(), [x] | logits must be of shape [2, classes] (got [])",
        "return logits.view(1, 2, 5), [x] | logits must be of shape [2, classes] (got [1, 2, 5])",
        "return logits[:1], [x] | logits must be of shape [2, classes] (got [1, 5])",
        "return logits, [x, x[0]]"
            + " | feature '1' must have the batch of 2 first (got [3, 2, 2])",
        "return logits, {'mean': x.mean()}"
            + " | feature 'mean' must have the batch of 2 first (got [])"
      })
  void probe_otherShapes_isRefused(String body, String rule) {
    assertProbeRefused(load(body), "Network.forward: " + rule);
  }

  @Test
  void probe_programThatFails_isRefusedInOneLine() {
    try (Network network = load("return logits, [x]")) {
      assertThatThrownBy(() -> network.probe(3, 4, 4))
          .isExactlyInstanceOf(RetortException.class)
          .hasMessageStartingWith(
              "TorchScriptNetwork: images must be accepted by the module (got [2, 3, 4, 4]: ")
          .message()
          .hasLineCount(1)
          .doesNotContain("Traceback", "frame #");
    }
    assertProbeRefused(
        TorchScriptNetwork.load(
            program("assert x.numel() < 0, 'first line\\nsecond line'", "return logits, [x]")),
        "TorchScriptNetwork: images must be accepted by the module (got [2, 3, 2, 2]:"
            + " AssertionError: first line)");
  }

  @Test
  void probe_programWithState_restoresIt() {
    Path file =
        Program.linear(5)
            .buffer("seen", torch.zeros(1))
            .save(
                folder.resolve("counter.ts"), "self.seen.add_(1.0)", LOGITS, "return logits, [x]");
    try (Network network = TorchScriptNetwork.load(file)) {
      Map<String, ByteBuffer> before = Bits.of(network.stateDict());
      assertThat(before).containsOnlyKeys("weight", "seen");
      network.probe(3, 2, 2);
      assertThat(Bits.of(network.stateDict())).isEqualTo(before);
    }
  }

  @Test
  void load_null_isRejected() {
    Path file = folder.resolve("any.ts");
    assertIllegal(
        () -> TorchScriptNetwork.load((Path) null),
        "TorchScriptNetwork.load: file must be given (got null)");
    assertIllegal(
        () -> TorchScriptNetwork.load(file, (String[]) null),
        "TorchScriptNetwork.load: taps must be given (got null)");
    assertIllegal(
        () -> TorchScriptNetwork.load(file, "a", null),
        "TorchScriptNetwork.load: tap must be given (got null)");
  }

  @Test
  void load_noFile_isRejected() {
    for (Path file : new Path[] {folder.resolve("nowhere.ts"), folder}) {
      assertFileRefused(
          () -> TorchScriptNetwork.load(file),
          "load_torchscript: path must be an existing file (got " + file + ")");
    }
  }

  @Test
  void load_foreignFile_isRefused() throws IOException {
    Path text = Files.writeString(folder.resolve("text.ts"), "not a program");
    Path empty = Files.createFile(folder.resolve("empty.ts"));
    Path stateDict = folder.resolve("state.pt");
    try (Network network = load("return logits, [x]")) {
      network.saveStateDict(stateDict);
    }
    byte[] whole = Files.readAllBytes(program("return logits, [x]"));
    Path cut = Files.write(folder.resolve("cut.ts"), Arrays.copyOf(whole, whole.length / 2));
    for (Path file : new Path[] {text, empty, stateDict, cut}) {
      assertFileRefused(
          () -> TorchScriptNetwork.load(file),
          "load_torchscript: file must be a TorchScript module saved by torch.jit.save (got "
              + file
              + ")");
    }
  }

  private Path program(String... body) {
    String[] lines = new String[body.length + 1];
    lines[0] = LOGITS;
    System.arraycopy(body, 0, lines, 1, body.length);
    return Program.linear(5).save(folder.resolve("program.ts"), lines);
  }

  private Network load(String body, String... taps) {
    return TorchScriptNetwork.load(program(body), taps);
  }

  private static void assertProbeRefused(Network network, String message) {
    try (network) {
      assertRefused(() -> network.probe(3, 2, 2), message);
    }
  }
}
