package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.util.List;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringVector;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.StringLists;

/**
 * Native networks by name: RepDistiller's for small images, torchvision's for images of 224×224,
 * and multilayer perceptrons, for example for table rows.
 */
public final class Networks {
  private Networks() {}

  /**
   * Returns the fixed names that {@link #create} accepts.
   *
   * @return RepDistiller's names for the CIFAR family, {@code resnet8}, …, {@code wrn_16_1}, …,
   *     {@code vgg8}, …, {@code MobileNetV2}, {@code ShuffleV1}, {@code ShuffleV2}, and
   *     torchvision's for the ImageNet family, {@code resnet18}, {@code resnet34}, {@code
   *     resnet50}, {@code mobilenet_v2}
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
   * Returns the forms that a name may have, for messages.
   *
   * @return {@link #names}, then {@code mlp_<units>_...}, which stands for many
   */
  public static List<String> nameForms() {
    return Native.call(
        () -> {
          try (StringVector forms = retort.network_name_forms()) {
            return StringLists.toList(forms);
          }
        });
  }

  /**
   * Returns whether {@link #create} accepts a name.
   *
   * @param name any text
   * @return whether it is one of {@link #names}, or {@code mlp} followed by the units of each
   *     hidden layer after underscores, from 1 to 999,999,999, for example {@code mlp_256_128}
   * @throws IllegalArgumentException if it is null
   */
  public static boolean isName(String name) {
    Arguments.notNull(name, "Networks.isName", "name");
    return Native.call(() -> retort.is_network_name(name));
  }

  /**
   * Creates a network with new weights: a {@link ResNet}, {@link WideResNet}, {@link Vgg}, {@link
   * MobileNetV2}, {@link ShuffleNetV1} or {@link ShuffleNetV2} of the size that the name implies,
   * or an {@link Mlp} with the hidden layers that it lists. It has the taps and the state dict
   * described there, but is not an instance of that Java class.
   *
   * @param name a {@linkplain #isName known} name
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive; for names like {@code mlp_256_128}, the
   *     number of elements of one sample: the features of a row, or channels · height · width
   * @return a new network
   * @throws IllegalArgumentException if the name is null or a number is not positive
   * @throws org.retort.RetortException if there is no network of that name; the message lists the
   *     names
   */
  public static Network create(String name, int classes, int inputChannels) {
    String function = "Networks.create";
    Arguments.notNull(name, function, "name");
    checkCounts(function, classes, inputChannels);
    return Native.call(() -> new NamedNetwork(retort.make_network(name, classes, inputChannels)));
  }

  /**
   * Creates a network for samples of a given shape, like {@link #create} with its channels or, for
   * names like {@code mlp_256_128}, with all its elements.
   *
   * @param name a {@linkplain #isName known} name
   * @param classes number of classes, positive
   * @param inputShape the shape of one sample without the batch, channels first, for example 3, 32,
   *     32, or the number of features in a row
   * @return a new network
   * @throws IllegalArgumentException if an argument is null or a number is not positive
   * @throws org.retort.RetortException if there is no network of that name; the message lists the
   *     names
   */
  public static Network createFor(String name, int classes, long... inputShape) {
    String function = "Networks.createFor";
    Arguments.notNull(name, function, "name");
    check(classes > 0, "%s: classes must be positive (got %s)", function, classes);
    Arguments.shape(inputShape, function, "input shape");
    return Native.call(
        () -> {
          try (LongVector shape = new LongVector(inputShape)) {
            return new NamedNetwork(retort.make_network_for(name, classes, shape));
          }
        });
  }

  static void checkCounts(String function, int classes, int inputChannels) {
    check(classes > 0, "%s: classes must be positive (got %s)", function, classes);
    check(
        inputChannels > 0, "%s: input channels must be positive (got %s)", function, inputChannels);
  }
}
