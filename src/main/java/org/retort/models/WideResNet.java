package org.retort.models;

import static org.retort.internal.Arguments.check;

import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeWideResNetOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A wide ResNet of the CIFAR family: a 3×3 stem and three layers of (depth − 4) / 6 blocks that
 * normalise before they convolve, then BatchNorm, ReLU, global average pooling and a linear
 * classifier. The second and third layers halve the image.
 *
 * <p>Taps, and their counterparts in RepDistiller's {@code forward(is_feat=True)}: {@code stem}
 * (f0, the first convolution's output, without BatchNorm or ReLU), {@code layer1}, {@code layer2},
 * {@code layer3} (f1 to f3, the unmodified sums of the residual branches, with negative values),
 * {@code layer1.pre}, {@code layer2.pre}, {@code layer3.pre} (f1 to f3 of {@code preact=True}, the
 * same sums after the BatchNorm that follows them, before its ReLU) and {@code embedding} (f4, the
 * classifier's input).
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code models/wrn.py}.
 * Weights are drawn from the default generator, see {@link org.retort.Retort#manualSeed}.
 *
 * <p>Source: Zagoruyko, Komodakis: Wide Residual Networks, BMVC 2016.
 */
public final class WideResNet extends Network {
  private WideResNet(NativeNetwork network) {
    super("WideResNet", network);
  }

  /**
   * Creates a network for color images.
   *
   * @param depth 6n + 4 between 10 and 1204, for example 16 or 40
   * @param width the factor k between 1 and 64; the layers have 16k, 32k and 64k channels
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static WideResNet cifar(int depth, int width, int classes) {
    return cifar(depth, width, classes, 3);
  }

  /**
   * Creates a network.
   *
   * @param depth 6n + 4 between 10 and 1204, for example 16 or 40
   * @param width the factor k between 1 and 64; the layers have 16k, 32k and 64k channels
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static WideResNet cifar(int depth, int width, int classes, int inputChannels) {
    String function = "WideResNet.cifar";
    check(
        depth >= 10 && depth <= 1204 && (depth - 4) % 6 == 0,
        "%s: depth must be 6n + 4 between 10 and 1204 (got %s)",
        function,
        depth);
    check(
        width >= 1 && width <= 64, "%s: width must be between 1 and 64 (got %s)", function, width);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeWideResNetOptions options = new NativeWideResNetOptions()) {
            options.depth(depth).width(width).classes(classes).input_channels(inputChannels);
            return new WideResNet(retort.make_wide_resnet(options));
          }
        });
  }
}
