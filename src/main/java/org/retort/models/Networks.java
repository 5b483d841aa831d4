package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.bytedeco.pytorch.StringVector;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.StringLists;

/** Native networks for images by the names that RepDistiller gives them. */
public final class Networks {
  private Networks() {}

  /**
   * The names that {@link #create} knows.
   *
   * @return {@code resnet8}, …, {@code wrn_16_1}, …, {@code vgg8}, …, {@code MobileNetV2}, {@code
   *     ShuffleV1}, {@code ShuffleV2}
   */
  public static List<String> names() {
    return Native.call(
        () -> {
          try (StringVector names = retort.network_names()) {
            return StringLists.toList(names);
          }
        });
  }

  /**
   * Makes a network with new weights: a {@link ResNet}, {@link WideResNet}, {@link Vgg}, {@link
   * MobileNetV2}, {@link ShuffleNetV1} or {@link ShuffleNetV2} of the sizes that the name stands
   * for, with the taps and the state dict described there, though not of that Java class.
   *
   * @param name one of {@link #names}
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive
   * @return a new network
   * @throws IllegalArgumentException if the name is null or a number is not positive
   * @throws org.retort.RetortException if there is no network of that name; the message lists them
   */
  public static Network create(String name, int classes, int inputChannels) {
    String function = "Networks.create";
    Arguments.notNull(name, function, "name");
    checkCounts(function, classes, inputChannels);
    return Native.call(() -> new NamedNetwork(retort.make_network(name, classes, inputChannels)));
  }

  static void checkCounts(String function, int classes, int inputChannels) {
    check(classes > 0, "%s: classes must be positive (got %s)", function, classes);
    check(
        inputChannels > 0, "%s: input channels must be positive (got %s)", function, inputChannels);
  }
}
