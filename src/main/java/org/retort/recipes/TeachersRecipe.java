package org.retort.recipes;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * All teachers of a recipe, at least one.
 *
 * @param networks the teachers that are trained
 * @param stored the teachers whose outputs are stored
 */
record TeachersRecipe(List<TeacherRecipe> networks, List<StoredTeacherRecipe> stored) {
  private static final double WEIGHT = 1;

  /** Reads the key {@code teacher}, for one, or {@code teachers}, a list of several with names. */
  static TeachersRecipe read(Fields recipe) {
    TeachersRecipe teachers = new TeachersRecipe(new ArrayList<>(), new ArrayList<>());
    if (!recipe.has("teachers")) {
      teachers.add(recipe.mapping("teacher"), TeacherRecipe.ONLY, WEIGHT);
      return teachers;
    }
    if (recipe.has("teacher")) {
      throw recipe.wrong("teacher", "not be given with teachers", "both");
    }
    Set<String> names = new HashSet<>();
    for (Fields fields : recipe.mappings("teachers")) {
      String name = fields.name("name");
      if (!names.add(name)) {
        throw fields.wrong("name", "be another for each teacher", name + " twice");
      }
      teachers.add(fields, name, fields.notNegative("weight", WEIGHT));
    }
    return teachers;
  }

  private void add(Fields fields, String name, double weight) {
    if (fields.has("outputs")) {
      stored.add(StoredTeacherRecipe.read(fields, name, weight));
    } else {
      networks.add(TeacherRecipe.read(fields, name, weight));
    }
  }
}
