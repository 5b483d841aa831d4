package org.retort.recipes;

import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.retort.train.Taps;

/**
 * The taps of a term: names or groups of names, {@code layers} for all layers' maps and {@code
 * layers.pre} for the same before their ReLU, so that a recipe fits networks with any number of
 * layers. A list applies to both networks, {@code {student: […], teacher: […]}} to each separately.
 *
 * @param student the student's names and groups
 * @param teacher the teacher's names and groups
 */
record TapsRecipe(List<String> student, List<String> teacher) {
  private static final String LAYERS = "layers";
  private static final String LAYERS_PRE = "layers.pre";
  private static final Pattern LAYER = Pattern.compile("layer\\d+");
  private static final Pattern LAYER_PRE = Pattern.compile("layer\\d+\\.pre");

  /** Reads the key {@code taps}; none if it is absent. */
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

  /** Returns the selected taps out of all that the student and the teacher have. */
  Taps taps(List<String> ofStudent, List<String> ofTeacher) {
    return new Taps(expand(student, ofStudent), expand(teacher, ofTeacher));
  }

  /** Returns whether a name or group selects a tap. */
  static boolean names(String nameOrGroup, String tap) {
    return switch (nameOrGroup) {
      case LAYERS -> LAYER.matcher(tap).matches();
      case LAYERS_PRE -> LAYER_PRE.matcher(tap).matches();
      default -> nameOrGroup.equals(tap);
    };
  }

  /** Returns whether a text stands for taps with other names. */
  static boolean isGroup(String text) {
    return text.equals(LAYERS) || text.equals(LAYERS_PRE);
  }

  private static List<String> expand(List<String> names, List<String> all) {
    return names.stream().flatMap(name -> expand(name, all)).toList();
  }

  private static Stream<String> expand(String name, List<String> all) {
    return switch (name) {
      case LAYERS -> layers(LAYER, all);
      case LAYERS_PRE -> layers(LAYER_PRE, all);
      default -> Stream.of(name);
    };
  }

  /** Returns the layers in order; they need not be stored in order. */
  private static Stream<String> layers(Pattern layer, List<String> all) {
    return all.stream()
        .filter(layer.asMatchPredicate())
        .sorted(Comparator.comparingInt(name -> Integer.parseInt(name.replaceAll("\\D", ""))));
  }
}
