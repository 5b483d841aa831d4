package org.retort.recipes;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/** The losses by their names in recipes. */
final class LossRecipes {
  private static final Map<String, Function<Fields, LossRecipe>> READERS =
      new TreeMap<>(
          Map.of(
              "kd", KdRecipe::read,
              "dkd", DkdRecipe::read,
              "fsp", FspRecipe::read,
              "nst", NstRecipe::read,
              "ofd", OfdRecipe::read,
              "crd", CrdRecipe::read,
              "program", ProgramRecipe::read,
              "registered", RegisteredRecipe::read));

  private LossRecipes() {}

  /** Reads the loss that the key {@code loss} names, with its options. */
  static LossRecipe read(Fields fields) {
    return READERS.get(fields.choice("loss", READERS.keySet())).apply(fields);
  }
}
