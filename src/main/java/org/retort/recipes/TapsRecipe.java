package org.retort.recipes;

import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.retort.models.Network;
import org.retort.train.Taps;

/**
 * The taps of a term: names or groups of names, {@code layers} for all layers' maps and {@code
 * layers.pre} for the same before their ReLU, so that a recipe fits networks of any number of
 * layers. A list is for both networks, {@code {student: […], teacher: […]}} for each of them.
 *
 * @param student names and groups of the student
 * @param teacher names and groups of the teacher
 */
record TapsRecipe(List<String> student, List<String> teacher) {
  private static final Pattern LAYER = Pattern.compile("layer\\d+");
  private static final Pattern LAYER_PRE = Pattern.compile("layer\\d+\\.pre");

  /** Reads the key {@code taps}, none if it is not there. */
  static TapsRecipe read(Fields parent) {
    if (!parent.has("taps")) {
      return new TapsRecipe(List.of(), List.of());
    }
    if (!parent.isMapping("taps")) {
      List<String> both = parent.texts("taps");
      return new TapsRecipe(both, both);
    }
    Fields fields = parent.mapping("taps");
    TapsRecipe taps = new TapsRecipe(fields.texts("student"), fields.texts("teacher"));
    fields.finish();
    return taps;
  }

  /** Names the taps of two networks. */
  Taps taps(Network studentNetwork, Network teacherNetwork) {
    return new Taps(expand(student, studentNetwork), expand(teacher, teacherNetwork));
  }

  private static List<String> expand(List<String> names, Network network) {
    return names.stream().flatMap(name -> expand(name, network)).toList();
  }

  private static Stream<String> expand(String name, Network network) {
    return switch (name) {
      case "layers" -> network.taps().stream().filter(LAYER.asMatchPredicate());
      case "layers.pre" -> network.taps().stream().filter(LAYER_PRE.asMatchPredicate());
      default -> Stream.of(name);
    };
  }
}
