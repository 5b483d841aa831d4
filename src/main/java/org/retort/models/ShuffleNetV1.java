package org.retort.models;

import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeShuffleNetV1Options;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A ShuffleNet of the CIFAR family: a 1×1 stem of 24 channels, three layers of bottlenecks with
 * convolutions in three groups, each of which halves the image, then global average pooling and a
 * linear classifier.
 *
 * <p>Taps, and their counterparts in RepDistiller's {@code forward(is_feat=True)}: {@code stem}
 * (f0, after ReLU), {@code layer1}, {@code layer2}, {@code layer3} (f1 to f3, after ReLU), {@code
 * layer1.pre}, {@code layer2.pre}, {@code layer3.pre} (f1 to f3 of {@code preact=True}, the same
 * maps before ReLU) and {@code embedding} (f4, the classifier's input). As in RepDistiller, no
 * margins for OFD are known.
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code
 * models/ShuffleNetv1.py}. Weights are drawn from the default generator, see {@link
 * org.retort.Retort#manualSeed}.
 *
 * <p>Source: Zhang, Zhou, Lin, Sun: ShuffleNet: An Extremely Efficient Convolutional Neural Network
 * for Mobile Devices, CVPR 2018.
 */
public final class ShuffleNetV1 extends Network {
  private ShuffleNetV1(NativeNetwork network) {
    super("ShuffleNetV1", network);
  }

  /**
   * Creates a network for color images, of the same size as RepDistiller's.
   *
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if it is out of range
   */
  public static ShuffleNetV1 cifar(int classes) {
    return cifar(classes, 3);
  }

  /**
   * Creates a network of the same size as RepDistiller's.
   *
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static ShuffleNetV1 cifar(int classes, int inputChannels) {
    Networks.checkCounts("ShuffleNetV1.cifar", classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeShuffleNetV1Options options = new NativeShuffleNetV1Options()) {
            options.classes(classes).input_channels(inputChannels);
            return new ShuffleNetV1(retort.make_shufflenet_v1(options));
          }
        });
  }
}
