package org.retort.models;

import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeShuffleNetV2Options;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A ShuffleNet V2 of the CIFAR family: a 1×1 stem of 24 channels, three layers, each of which
 * halves the image and then works on one half of its channels at a time, a 1×1 convolution, global
 * average pooling and a linear classifier.
 *
 * <p>Taps, and their counterparts in RepDistiller's {@code forward(is_feat=True)}: {@code stem}
 * (f0, after ReLU), {@code layer1}, {@code layer2}, {@code layer3} (f1 to f3, after ReLU, their
 * channels shuffled), {@code layer1.pre}, {@code layer2.pre}, {@code layer3.pre} (f1 to f3 of
 * {@code preact=True}: the half that the last block passes through, after ReLU, then the half that
 * it computes, before ReLU, not shuffled) and {@code embedding} (f4, the classifier's input). As in
 * RepDistiller, no margins for OFD are known.
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code
 * models/ShuffleNetv2.py}. Weights are drawn from the default generator, see {@link
 * org.retort.Retort#manualSeed}.
 *
 * <p>Source: Ma, Zhang, Zheng, Sun: ShuffleNet V2: Practical Guidelines for Efficient CNN
 * Architecture Design, ECCV 2018.
 */
public final class ShuffleNetV2 extends Network {
  private ShuffleNetV2(NativeNetwork network) {
    super("ShuffleNetV2", network);
  }

  /**
   * Creates a network for color images, of the same size as RepDistiller's.
   *
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if it is out of range
   */
  public static ShuffleNetV2 cifar(int classes) {
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
  public static ShuffleNetV2 cifar(int classes, int inputChannels) {
    Networks.checkCounts("ShuffleNetV2.cifar", classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeShuffleNetV2Options options = new NativeShuffleNetV2Options()) {
            options.classes(classes).input_channels(inputChannels);
            return new ShuffleNetV2(retort.make_shufflenet_v2(options));
          }
        });
  }
}
