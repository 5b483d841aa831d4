package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeMlpOptions;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;

/**
 * A multilayer perceptron: linear layers with ReLU between them, for example for table rows. It
 * takes inputs of any shape with the right number of elements and flattens them.
 *
 * <p>Taps: {@code layer1}, {@code layer2}, … (hidden layers after ReLU), {@code layer1.pre}, {@code
 * layer2.pre}, … (the same before ReLU) and {@code embedding} (the last layer's input: the last
 * hidden layer or, if there is none, the flattened input).
 *
 * <p>Parameters are named like those of PyTorch's {@code Sequential(Linear, ReLU, Linear, …)}:
 * {@code 0.weight}, {@code 0.bias}, {@code 2.weight}, … Weights are drawn from the default
 * generator as PyTorch's {@code Linear} draws them, see {@link org.retort.Retort#manualSeed}.
 */
public final class Mlp extends Network {
  private Mlp(NativeNetwork network) {
    super("Mlp", network);
  }

  /**
   * Creates a network with layers of the given sizes: {@code of(64, 128, 10)} has one hidden layer,
   * {@code of(64, 10)} is a linear classifier.
   *
   * @param sizes elements of one input, units of each hidden layer, number of classes
   * @return a new network
   * @throws IllegalArgumentException if the sizes are null, fewer than two or not positive
   */
  public static Mlp of(long... sizes) {
    Arguments.notNull(sizes, "Mlp.of", "sizes");
    check(
        sizes.length >= 2 && LongStream.of(sizes).allMatch(size -> size > 0),
        "Mlp.of: sizes must be at least two, all of them positive (got %s)",
        Arrays.toString(sizes));
    return Native.call(
        () -> {
          try (NativeMlpOptions options = new NativeMlpOptions();
              LongVector layers = new LongVector(sizes)) {
            return new Mlp(retort.make_mlp(options.sizes(layers)));
          }
        });
  }
}
