package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.Set;
import org.bytedeco.pytorch.LongVector;
import org.retort.bindings.NativeImageNetResNetOptions;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeResNetOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A ResNet of the CIFAR family, for small images, or of the ImageNet family, for images of 224×224.
 *
 * <p>{@link #cifar(int, int) CIFAR's}: a 3×3 stem and three layers of (depth − 2) / 6 basic blocks,
 * the second and third of which halve the image, then global average pooling and a linear
 * classifier. Names and order of parameters and buffers are those of RepDistiller's {@code
 * models/resnet.py}.
 *
 * <p>{@link #imageNet(int, int) ImageNet's}: a 7×7 stem and a pooling layer, which each halve the
 * image, four layers, the last three of which halve it again, then global average pooling and a
 * linear classifier. Depths 18 and 34 use basic blocks, 50 uses bottleneck blocks with the stride
 * in the 3×3 convolution. Names, order and shapes of parameters and buffers are those of
 * torchvision's {@code resnet18}, {@code resnet34} and {@code resnet50}, so its published weights
 * {@linkplain #loadStateDict(java.nio.file.Path) load}. Images may have any size; {@code layer4}
 * reduces 32×32 to a single pixel.
 *
 * <p>Taps: {@code stem} (after ReLU and, in the ImageNet family, pooling: the input of {@code
 * layer1}), {@code layer1}, {@code layer2}, {@code layer3} and, in the ImageNet family, {@code
 * layer4} (after ReLU), {@code layer1.pre}, {@code layer2.pre}, … (the same maps before ReLU) and
 * {@code embedding} (the averaged map, the classifier's input).
 *
 * <p>Weights are drawn from the default generator, see {@link org.retort.Retort#manualSeed}.
 *
 * <p>Source: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, sections
 * 3.3 and 4.2.
 */
public final class ResNet extends Network {
  private ResNet(NativeNetwork network) {
    super("ResNet", network);
  }

  /**
   * Creates a network of the CIFAR family for color images, with 16, 16, 32 and 64 filters.
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
   * Creates a network of the CIFAR family with 16, 16, 32 and 64 filters.
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
   * Creates a wider network of the CIFAR family for color images, with 32, 64, 128 and 256 filters,
   * as in {@code resnet8x4} and {@code resnet32x4}.
   *
   * @param depth 6n + 2 between 8 and 1202
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet cifarX4(int depth, int classes) {
    return create("ResNet.cifarX4", depth, classes, 3, 32, 64, 128, 256);
  }

  /**
   * Creates a network of the ImageNet family for color images.
   *
   * @param depth 18, 34 or 50
   * @param classes number of classes, positive; torchvision's weights are for 1000
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet imageNet(int depth, int classes) {
    return imageNet(depth, classes, 3);
  }

  /**
   * Creates a network of the ImageNet family.
   *
   * @param depth 18, 34 or 50
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ResNet imageNet(int depth, int classes, int inputChannels) {
    String function = "ResNet.imageNet";
    check(
        Set.of(18, 34, 50).contains(depth),
        "%s: depth must be 18, 34 or 50 (got %s)",
        function,
        depth);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeImageNetResNetOptions options = new NativeImageNetResNetOptions()) {
            options.depth(depth).classes(classes).input_channels(inputChannels);
            return new ResNet(retort.make_imagenet_resnet(options));
          }
        });
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
