package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.Bits;
import org.retort.testing.Program;
import org.retort.testing.Python;

final class SaveTorchScriptTest {
  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final Network network = ResNet.cifar(8, 5);
  private final Tensor images = torch.randn(2, 3, 8, 8);
  @TempDir private Path folder;

  @Test
  void saveTorchScript_ofAResNet_isTheSameNetwork() {
    assertSavesTheSame(network, images);
  }

  @Test
  void saveTorchScript_ofATorchScriptNetwork_isTheSameNetwork() {
    Path file =
        Program.linear(5)
            .buffer("offset", torch.ones(5))
            .save(
                folder.resolve("program.ts"),
                "return torch.linear(x.flatten(1), self.weight, self.offset), {'pixels': x}");
    try (Network loaded = TorchScriptNetwork.load(file)) {
      assertSavesTheSame(loaded, torch.randn(2, 3, 2, 2));
    }
  }

  private void assertSavesTheSame(Network saved, Tensor input) {
    Path file = folder.resolve("network.ts");
    saved.saveTorchScript(file);
    try (Network loaded = TorchScriptNetwork.load(file)) {
      assertThat(Bits.of(loaded.stateDict())).isEqualTo(Bits.of(saved.stateDict()));
      assertThat(Bits.of(loaded.predict(input))).isEqualTo(Bits.of(saved.predict(input)));
      assertThat(loaded.taps()).isEqualTo(saved.taps());
    }
  }

  @Test
  void saveTorchScript_whereItCant_isRefusedAndLeavesNothing() {
    Path nowhere = folder.resolve("nowhere").resolve("network.ts");
    assertFileRefused(
        () -> network.saveTorchScript(nowhere),
        "Network.save_torchscript: path must be a file that can be written (got "
            + nowhere
            + ": No such file or directory)");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void saveTorchScript_noFile_isRejected() {
    assertIllegal(
        () -> network.saveTorchScript((Path) null),
        "ResNet.saveTorchScript: file must be given (got null)");
  }

  @Test
  void saveTorchScript_isReadAndTrainedByPython() throws IOException, InterruptedException {
    Path file = folder.resolve("network.ts");
    network.saveTorchScript(file);
    String output =
        Python.run(
            file,
            "import sys, torch",
            "model = torch.jit.load(sys.argv[1])",
            "print(model.training, ' '.join(model.state_dict()))",
            "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
            "logits, features = model(torch.randn(4, 3, 8, 8))",
            "print(tuple(logits.shape), ' '.join(features))",
            "logits.square().sum().backward()",
            "optimizer.step()",
            "print(model.bn1.num_batches_tracked.item())",
            "model.eval()",
            "print(*model(torch.ones(1, 3, 8, 8))[0].flatten().tolist())",
            "torch.jit.save(model, sys.argv[1])");
    String[] lines = output.lines().toArray(String[]::new);
    assertThat(lines[0]).isEqualTo("True " + String.join(" ", network.stateDict().keySet()));
    assertThat(lines[1])
        .isEqualTo("(4, 5) stem layer1 layer2 layer3 layer1.pre layer2.pre layer3.pre embedding");
    assertThat(lines[2]).isEqualTo("1");

    try (Network trained = TorchScriptNetwork.load(file);
        Tensor logits = trained.predict(torch.ones(1, 3, 8, 8))) {
      String[] expected = lines[3].split(" ");
      for (int i = 0; i < expected.length; i++) {
        assertThat(logits.get(0).get(i).item_double())
            .isCloseTo(Double.parseDouble(expected[i]), within(1e-4));
      }
    }
  }
}
