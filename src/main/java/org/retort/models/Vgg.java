package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.Set;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativeVggOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;

/**
 * A VGG network with BatchNorm, of the CIFAR family: five blocks of 3×3 convolutions, the first
 * three of which are followed by pooling that halves the image, then global average pooling and a
 * linear classifier. It takes images of at least 8×8; those 64 pixels high are also halved after
 * the fourth block.
 *
 * <p>Taps, and their counterparts in RepDistiller's {@code forward(is_feat=True)}: {@code stem}
 * (f0, the first block after ReLU), {@code layer1} to {@code layer4} (f1 to f4, the other blocks
 * after ReLU), {@code layer1.pre} to {@code layer4.pre} (the same maps before ReLU) and {@code
 * embedding} (f5, the classifier's input).
 *
 * <p>Names and order of parameters and buffers are those of RepDistiller's {@code models/vgg.py}.
 * Weights are drawn from the default generator, see {@link org.retort.Retort#manualSeed}.
 *
 * <p>Source: Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image
 * Recognition, ICLR 2015.
 */
public final class Vgg extends Network {
  private Vgg(NativeNetwork network) {
    super("Vgg", network);
  }

  /**
   * Creates a network for color images with 64, 128, 256, 512 and 512 filters.
   *
   * @param depth 8, 11, 13, 16 or 19
   * @param classes number of classes, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static Vgg cifar(int depth, int classes) {
    return cifar(depth, classes, 3);
  }

  /**
   * Creates a network with 64, 128, 256, 512 and 512 filters.
   *
   * @param depth 8, 11, 13, 16 or 19
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static Vgg cifar(int depth, int classes, int inputChannels) {
    String function = "Vgg.cifar";
    check(
        Set.of(8, 11, 13, 16, 19).contains(depth),
        "%s: depth must be 8, 11, 13, 16 or 19 (got %s)",
        function,
        depth);
    Networks.checkCounts(function, classes, inputChannels);
    return Native.call(
        () -> {
          try (NativeVggOptions options = new NativeVggOptions()) {
            options.depth(depth).classes(classes).input_channels(inputChannels);
            return new Vgg(retort.make_vgg(options));
          }
        });
  }
}
