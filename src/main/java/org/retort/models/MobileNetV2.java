package org.retort.models;

import static org.retort.internal.Arguments.check;

import org.retort.bindings.NativeImageNetMobileNetV2Options;
import org.retort.bindings.NativeMobileNetV2Options;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A MobileNetV2 of the CIFAR family, for small images, or of the ImageNet family, for images of
 * 224×224: a 3×3 stem that halves the image, seventeen inverted residual blocks, a 1×1 convolution,
 * global average pooling and a linear classifier.
 *
 * <p>{@link #cifar(int) CIFAR's}: three of the blocks halve the image. Names and order of
 * parameters and buffers are those of RepDistiller's {@code models/mobilenetv2.py}. Taps, and their
 * counterparts in its {@code forward(is_feat=True)}: {@code stem} (f0, after ReLU), {@code layer1}
 * to {@code layer4} (f1 to f4), {@code layer1.pre} to {@code layer4.pre} (the very same maps, since
 * {@code preact=True} changes nothing there) and {@code embedding} (f5, the classifier's input).
 *
 * <p>{@link #imageNet(int) ImageNet's}: four of the blocks halve the image, and dropout comes
 * before the classifier. Names, order and shapes of parameters and buffers are those of
 * torchvision's {@code mobilenet_v2}, so its published weights {@linkplain
 * #loadStateDict(java.nio.file.Path) load}. Images may have any size; the last block reduces 32×32
 * to a single pixel. Taps, all but the last of which are the last map of their size: {@code stem}
 * ({@code features.0}, after ReLU6), {@code layer1} to {@code layer4} (the outputs of {@code
 * features.3}, {@code features.6}, {@code features.13} and {@code features.17}, of the same sizes
 * as a {@link ResNet}'s), {@code layer1.pre} to {@code layer4.pre} (the very same maps) and {@code
 * embedding} (the averaged map before dropout).
 *
 * <p>In both, {@code layer1} to {@code layer4} are the outputs of linear bottlenecks, which are not
 * followed by ReLU. Weights and dropout masks are drawn from the default generator, see {@link
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
   * Creates a network of the CIFAR family for color images, with half the paper's width, as in
   * RepDistiller.
   *
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if it is out of range
   */
  public static MobileNetV2 cifar(int classes) {
    return cifar(0.5, classes, 3);
  }

  /**
   * Creates a network of the CIFAR family.
   *
   * @param width the multiple of the paper's channels, at least 1/16 and at most 16; fractions are
   *     dropped
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static MobileNetV2 cifar(double width, int classes, int inputChannels) {
    String function = "MobileNetV2.cifar";
    checkWidth(function, width);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeMobileNetV2Options options = new NativeMobileNetV2Options()) {
            options.width(width).classes(classes).input_channels(inputChannels);
            return new MobileNetV2(retort.make_mobilenet_v2(options));
          }
        });
  }

  /**
   * Creates a network of the ImageNet family for color images, with the paper's width and a dropout
   * of 0.2.
   *
   * @param classes number of classes, positive; torchvision's weights are for 1000
   * @return a new network
   * @throws IllegalArgumentException if it is out of range
   */
  public static MobileNetV2 imageNet(int classes) {
    return imageNet(1, classes, 3, 0.2);
  }

  /**
   * Creates a network of the ImageNet family.
   *
   * @param width the multiple of the paper's channels, at least 1/16 and at most 16; the products
   *     are rounded to multiples of 8 as in torchvision, never down by more than a tenth
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @param dropout the probability that the classifier drops an element of its input in training,
   *     at least 0 and below 1; torchvision's is 0.2
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static MobileNetV2 imageNet(double width, int classes, int inputChannels, double dropout) {
    String function = "MobileNetV2.imageNet";
    checkWidth(function, width);
    Networks.checkCounts(function, classes, inputChannels);
    check(
        dropout >= 0 && dropout < 1,
        "%s: dropout must be at least 0 and below 1 (got %s)",
        function,
        dropout);
    return Native.call(
        () -> {
          try (NativeImageNetMobileNetV2Options options = new NativeImageNetMobileNetV2Options()) {
            options.width(width).classes(classes).input_channels(inputChannels).dropout(dropout);
            return new MobileNetV2(retort.make_imagenet_mobilenet_v2(options));
          }
        });
  }

  private static void checkWidth(String function, double width) {
    check(
        width >= 1.0 / 16 && width <= 16,
        "%s: width must be between 0.0625 and 16 (got %s)",
        function,
        width);
  }
}
