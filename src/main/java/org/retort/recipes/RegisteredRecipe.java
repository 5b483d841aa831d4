package org.retort.recipes;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.retort.losses.RegisteredLoss;

/**
 * {@code criterion} (the name under which a library registers the loss), {@code library} (its file,
 * relative to the recipe's folder; none if the process has loaded it) and {@code options}, a
 * mapping of the loss's own options.
 */
final class RegisteredRecipe {
  private RegisteredRecipe() {}

  static LossRecipe read(Fields fields) {
    String name = fields.text("criterion");
    Map<String, String> options =
        fields.has("options") ? options(fields.mapping("options")) : Map.of();
    RegisteredLoss loss = new RegisteredLoss(name, options);
    if (!fields.has("library")) {
      return context -> loss;
    }
    Path library = fields.path("library");
    return context -> {
      RegisteredLoss.loadLibrary(library);
      return loss;
    };
  }

  private static Map<String, String> options(Fields fields) {
    Map<String, String> options = new LinkedHashMap<>();
    for (String key : fields.keys()) {
      List<String> list = fields.isList(key) ? fields.texts(key) : List.of(fields.text(key));
      options.put(key, String.join(", ", list));
    }
    return options;
  }
}
