package org.retort.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.Bits;
import org.retort.testing.Streams;

final class NetworkStreamsTest {
  private static final String NOT_A_DICT =
      "Network.load_state_dict: file must be a dict of tensors saved by torch.save in its zip format"
          + " (got %s)";
  private static final String NO_PROGRAM =
      "load_torchscript: file must be a TorchScript module saved by torch.jit.save (got %s)";

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final Network network = ResNet.cifar(8, 5);
  @AutoClose private final Network other = ResNet.cifar(8, 5);
  @TempDir private Path folder;

  @Test
  void stateDict_byStream_isThatOfAFile() throws IOException {
    Path file = folder.resolve("state.pt");
    network.saveStateDict(file);
    byte[] bytes = Streams.written(network::saveStateDict);
    assertThat(bytes).isEqualTo(Files.readAllBytes(file));
    Map<String, ByteBuffer> before = Bits.of(other.stateDict());

    other.loadStateDict(Streams.of(bytes));
    assertThat(Bits.of(other.stateDict())).isEqualTo(state()).isNotEqualTo(before);
  }

  @Test
  void stateDict_byBytes_isTheSame() {
    other.loadStateDict(Streams.written(network::saveStateDict));
    assertThat(Bits.of(other.stateDict())).isEqualTo(state());
  }

  @Test
  void torchScript_byStream_isTheSameNetwork() {
    byte[] bytes = Streams.written(network::saveTorchScript);
    Tensor images = torch.randn(2, 3, 8, 8);
    try (Network read = TorchScriptNetwork.load(Streams.of(bytes), "layer2", "stem");
        Network copied = TorchScriptNetwork.load(bytes, "layer3")) {
      for (Network loaded : new Network[] {read, copied}) {
        assertThat(Bits.of(loaded.stateDict())).isEqualTo(state());
        assertThat(Bits.of(loaded.predict(images))).isEqualTo(Bits.of(network.predict(images)));
      }
      assertThat(read.taps()).containsExactly("layer2", "stem");
      assertThat(copied.taps()).containsExactly("layer3");
    }
  }

  @Test
  void save_streamThatFails_isRefusedWithItsCause() {
    assertBroken(
        () -> network.saveStateDict(Streams.full(1000)),
        "ResNet.saveStateDict: stream must be one that can be written (got java.io.IOException: no"
            + " space left)");
    assertBroken(
        () -> network.saveTorchScript(new BufferedOutputStream(Streams.full(0), 1 << 20)),
        "ResNet.saveTorchScript: stream must be one that can be written (got java.io.IOException:"
            + " no space left)");
  }

  @Test
  void load_streamThatFails_isRefusedWithItsCauseAndChangesNothing() {
    byte[] half = Arrays.copyOf(Streams.written(other::saveStateDict), 5000);
    Map<String, ByteBuffer> before = state();
    assertBroken(
        () -> network.loadStateDict(Streams.breaking(half)),
        "ResNet.loadStateDict: stream must be one that can be read (got java.io.IOException:"
            + " connection lost)");
    assertThat(state()).isEqualTo(before);
    assertBroken(
        () -> TorchScriptNetwork.load(Streams.breaking(half)),
        "TorchScriptNetwork.load: stream must be one that can be read (got java.io.IOException:"
            + " connection lost)");
  }

  private static void assertBroken(ThrowingCallable call, String message) {
    assertFileRefused(
        () -> {
          try {
            call.call();
          } catch (RuntimeException error) {
            assertThat(error).hasCauseExactlyInstanceOf(IOException.class);
            throw error;
          }
        },
        message);
  }

  @Test
  void load_foreignContent_isRefusedAndChangesNothing() {
    byte[] program = Streams.written(other::saveTorchScript);
    Map<String, ByteBuffer> before = state();
    for (int size : new int[] {0, 1, program.length / 2}) {
      byte[] cut = Arrays.copyOf(program, size);
      assertFileRefused(
          () -> network.loadStateDict(Streams.of(cut)), NOT_A_DICT.formatted("the stream"));
      assertFileRefused(() -> network.loadStateDict(cut), NOT_A_DICT.formatted(size + " bytes"));
      assertFileRefused(
          () -> TorchScriptNetwork.load(Streams.of(cut)), NO_PROGRAM.formatted("the stream"));
      assertFileRefused(() -> TorchScriptNetwork.load(cut), NO_PROGRAM.formatted(size + " bytes"));
    }
    assertThat(state()).isEqualTo(before);
  }

  @Test
  void save_toAStreamThatBlocks_letsOthersWork() {
    AtomicInteger parts = new AtomicInteger();
    OutputStream slow =
        Streams.after(
            () -> {
              network.publish();
              network.loadStateDict(Streams.written(other::saveStateDict));
              parts.incrementAndGet();
            });
    network.saveStateDict(slow);
    network.saveTorchScript(slow);
    assertThat(parts.get()).isGreaterThan(2);
  }

  @Test
  void closed_isRefused() {
    Network closed = ResNet.cifar(8, 5);
    closed.close();
    String message = "ResNet: object must be open (got a closed one)";
    assertUnusable(() -> Streams.written(closed::saveStateDict), message);
    assertUnusable(() -> Streams.written(closed::saveTorchScript), message);
    assertUnusable(() -> closed.loadStateDict(new byte[0]), message);
  }

  @Test
  void null_isRejected() {
    assertIllegal(
        () -> network.saveStateDict((OutputStream) null),
        "ResNet.saveStateDict: stream must be given (got null)");
    assertIllegal(
        () -> network.saveTorchScript((OutputStream) null),
        "ResNet.saveTorchScript: stream must be given (got null)");
    assertIllegal(
        () -> network.loadStateDict((InputStream) null),
        "ResNet.loadStateDict: stream must be given (got null)");
    assertIllegal(
        () -> network.loadStateDict((byte[]) null),
        "ResNet.loadStateDict: bytes must be given (got null)");
    assertIllegal(
        () -> TorchScriptNetwork.load((InputStream) null),
        "TorchScriptNetwork.load: stream must be given (got null)");
    assertIllegal(
        () -> TorchScriptNetwork.load((byte[]) null),
        "TorchScriptNetwork.load: bytes must be given (got null)");
    assertIllegal(
        () -> TorchScriptNetwork.load(new byte[0], "a", null),
        "TorchScriptNetwork.load: tap must be given (got null)");
  }

  private Map<String, ByteBuffer> state() {
    return Bits.of(network.stateDict());
  }
}
