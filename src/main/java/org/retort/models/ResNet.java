package org.retort.models;

import static org.retort.internal.Arguments.check;

import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeResNetOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A ResNet of the CIFAR family: a 3×3 stem and three layers of (depth − 2) / 6 basic blocks, of
 * which the second and third halve the image, then a global average and a linear classifier.
 *
 * <p>Taps: {@code stem}, {@code layer1}, {@code layer2}, {@code layer3} (after ReLU), {@code
 * layer1.pre}, {@code layer2.pre}, {@code layer3.pre} (the same maps before ReLU) and {@code
 * embedding} (the classifier's input).
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code
 * models/resnet.py}. Weights are drawn from the default generator, see {@link
 * org.retort.Retort#manualSeed}.
 *
 * <p>Source: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, section
 * 4.2.
 */
public final class ResNet extends Network {
  private ResNet(NativeNetwork network) {
    super("ResNet", network);
  }

  /**
   * A network for color images with 16, 16, 32 and 64 filters.
   *
   * @param depth 6n + 2 between 8 and 1202, for example 8, 20, 56 or 110
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet cifar(int depth, int classes) {
    return cifar(depth, classes, 3);
  }

  /**
   * A network with 16, 16, 32 and 64 filters.
   *
   * @param depth 6n + 2 between 8 and 1202, for example 8, 20, 56 or 110
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet cifar(int depth, int classes, int inputChannels) {
    return create("ResNet.cifar", depth, classes, inputChannels, 16, 16, 32, 64);
  }

  /**
   * A wider network for color images, with 32, 64, 128 and 256 filters, as in {@code resnet8x4} and
   * {@code resnet32x4}.
   *
   * @param depth 6n + 2 between 8 and 1202
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet cifarX4(int depth, int classes) {
    return create("ResNet.cifarX4", depth, classes, 3, 32, 64, 128, 256);
  }

  private static ResNet create(
      String function, int depth, int classes, int inputChannels, long... filters) {
    check(
        depth >= 8 && depth <= 1202 && (depth - 2) % 6 == 0,
        "%s: depth must be 6n + 2 between 8 and 1202 (got %s)",
        function,
        depth);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeResNetOptions options = new NativeResNetOptions();
              LongVector channels = new LongVector(filters)) {
            options.depth(depth).classes(classes).input_channels(inputChannels).filters(channels);
            return new ResNet(retort.make_resnet(options));
          }
        });
  }
}
