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
 * Native networks by name: RepDistiller's for small images, torchvision's for those of 224×224, and
 * multilayer perceptrons, for example for the rows of a table.
 */
public final class Networks {
  private Networks() {}

  /**
   * The fixed names that {@link #create} knows.
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
   * What a name may be, for messages.
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
   * Tells whether {@link #create} knows a name.
   *
   * @param name any text
   * @return whether it is one of {@link #names}, or {@code mlp} and the units of each hidden layer
   *     after underscores, from 1 to 999,999,999, for example {@code mlp_256_128}
   * @throws IllegalArgumentException if it is null
   */
  public static boolean isName(String name) {
    Arguments.notNull(name, "Networks.isName", "name");
    return Native.call(() -> retort.is_network_name(name));
  }

  /**
   * Makes a network with new weights: a {@link ResNet}, {@link WideResNet}, {@link Vgg}, {@link
   * MobileNetV2}, {@link ShuffleNetV1} or {@link ShuffleNetV2} of the sizes that the name stands
   * for, or an {@link Mlp} of the hidden layers that it tells, with the taps and the state dict
   * described there, though not of that Java class.
   *
   * @param name {@linkplain #isName known}
   * @param classes number of classes, positive
   * @param inputChannels channels of the images, positive; for {@code mlp_256_128} and the like the
   *     number of elements of one sample: the features of a row, or channels · height · width
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

  /**
   * Makes a network for samples of a shape: {@link #create} with its channels or, for {@code
   * mlp_256_128} and the like, with all its elements.
   *
   * @param name {@linkplain #isName known}
   * @param classes number of classes, positive
   * @param inputShape of one sample without the batch, channels first, for example 3, 32, 32, or
   *     the number of features of a row
   * @return a new network
   * @throws IllegalArgumentException if an argument is null or a number is not positive
   * @throws org.retort.RetortException if there is no network of that name; the message lists them
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
