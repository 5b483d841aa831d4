package org.retort.recipes;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.retort.models.Network;
import org.retort.models.ResNet;

/** The networks that recipes name: the CIFAR family of ResNets. */
final class NetworkFactory {
  private static final Map<String, Integer> DEPTHS = new TreeMap<>();
  private static final Pattern LAYER = Pattern.compile("(layer\\d+)(\\.pre)?");
  private static final String WIDE = "x4";

  static {
    for (int depth : new int[] {8, 14, 20, 32, 44, 56, 110}) {
      DEPTHS.put("resnet" + depth, depth);
    }
    for (int depth : new int[] {8, 32}) {
      DEPTHS.put("resnet" + depth + WIDE, depth);
    }
  }

  private NetworkFactory() {}

  /** Returns the names. */
  static Set<String> names() {
    return DEPTHS.keySet();
  }

  /** Makes a network, its parameters drawn from the default generator. */
  static Network create(String name, DataShape shape) {
    check(name, shape);
    return name.endsWith(WIDE)
        ? ResNet.cifarX4(depth(name), shape.classes())
        : ResNet.cifar(depth(name), shape.classes(), shape.channels());
  }

  /** Returns all but the classifier, as the parts that a stage trains. */
  static List<String> backbone(String name) {
    depth(name);
    return List.of("conv1", "bn1", "layer1", "layer2", "layer3");
  }

  /** Returns the BatchNorms before the ReLUs of the given taps, as far as these are layers. */
  static List<String> norms(String name, List<String> taps) {
    int last = (depth(name) - 2) / 6 - 1;
    return taps.stream()
        .map(LAYER::matcher)
        .filter(Matcher::matches)
        .map(layer -> layer.group(1) + "." + last + ".bn2")
        .toList();
  }

  /** Refuses names that are not known, and networks that do not take such images. */
  static void check(String name, DataShape shape) {
    depth(name);
    if (name.endsWith(WIDE) && shape.channels() != 3) {
      throw new RecipeException(
          name + ": images must have 3 channels (got " + shape.channels() + ")");
    }
  }

  private static int depth(String name) {
    Integer depth = DEPTHS.get(name);
    if (depth == null) {
      throw new RecipeException(
          "network must be one of " + String.join(", ", DEPTHS.keySet()) + " (got " + name + ")");
    }
    return depth;
  }
}
