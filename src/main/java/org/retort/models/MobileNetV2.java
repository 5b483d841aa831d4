package org.retort.models;

import static org.retort.internal.Arguments.check;

import org.retort.bindings.NativeMobileNetV2Options;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * MobileNetV2 of the CIFAR family: a 3×3 stem that halves the image, seventeen inverted residual
 * blocks of which three halve it again, a 1×1 convolution, a global average and a linear
 * classifier.
 *
 * <p>Taps, and what they are in RepDistiller's {@code forward(is_feat=True)}: {@code stem} (f0,
 * after ReLU), {@code layer1} to {@code layer4} (f1 to f4, outputs of linear bottlenecks, which no
 * ReLU follows), {@code layer1.pre} to {@code layer4.pre} (the very same maps, as {@code
 * preact=True} changes nothing there) and {@code embedding} (f5, the classifier's input).
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code
 * models/mobilenetv2.py}. Weights are drawn from the default generator, see {@link
 * org.retort.Retort#manualSeed}.
 *
 * <p>Source: Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear
 * Bottlenecks, CVPR 2018.
 */
public final class MobileNetV2 extends Network {
  private MobileNetV2(NativeNetwork network) {
    super("MobileNetV2", network);
  }

  /**
   * A network for color images of half the paper's width, which is RepDistiller's.
   *
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if it is out of range
   */
  public static MobileNetV2 cifar(int classes) {
    return cifar(0.5, classes, 3);
  }

  /**
   * A network.
   *
   * @param width of the paper's channels, at least 1/16 and at most 16; fractions are dropped
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static MobileNetV2 cifar(double width, int classes, int inputChannels) {
    String function = "MobileNetV2.cifar";
    check(
        width >= 1.0 / 16 && width <= 16,
        "%s: width must be between 0.0625 and 16 (got %s)",
        function,
        width);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeMobileNetV2Options options = new NativeMobileNetV2Options()) {
            options.width(width).classes(classes).input_channels(inputChannels);
            return new MobileNetV2(retort.make_mobilenet_v2(options));
          }
        });
  }
}
