package org.retort.recipes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.retort.FileException;
import org.retort.models.ExportedNetwork;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.TorchScriptNetwork;

/**
 * A network: one that Retort knows by name, or a program in a file, {@code network: model.pt2} for
 * torch.export or {@code network: model.ts} for TorchScript. Files are relative to the recipe's
 * folder.
 *
 * @param name the name of a network that Retort knows, or of the file
 * @param program the file of a program
 * @param taps the taps of a program, each a name, an equals sign and the path of a module; those
 *     that Retort suggests if there are none
 * @param weights a state dict to start from
 * @param place the prefix of messages about it
 */
public record NetworkRecipe(
    String name, Optional<Path> program, List<String> taps, Optional<Path> weights, String place) {
  private static final String KEY = "network";
  private static final String WEIGHTS = "weights";
  static final String EXPORTED = ".pt2";
  private static final List<String> TORCHSCRIPT = List.of(".ts", ".torchscript");

  /** Returns a network with new weights by its name or its file. */
  static NetworkRecipe of(String nameOrFile) {
    return isProgram(nameOrFile)
        ? ofProgram(Path.of(nameOrFile), List.of(), Optional.empty(), "")
        : new NetworkRecipe(nameOrFile, Optional.empty(), List.of(), Optional.empty(), "");
  }

  /**
   * Returns whether a text names the file of a program.
   *
   * @param text a name or a file
   * @return whether it has the extension of such a file
   */
  public static boolean isProgram(String text) {
    return text.endsWith(EXPORTED) || TORCHSCRIPT.stream().anyMatch(text::endsWith);
  }

  /** Reads the keys {@code network}, {@code weights} and, for a program, {@code taps}. */
  static NetworkRecipe read(Fields fields) {
    Optional<Path> weights =
        fields.has(WEIGHTS) ? Optional.of(fields.path(WEIGHTS)) : Optional.empty();
    if (isProgram(fields.text(KEY))) {
      List<String> taps = fields.has("taps") ? readTaps(fields.mapping("taps")) : List.of();
      return ofProgram(fields.path(KEY), taps, weights, fields.place());
    }
    return new NetworkRecipe(
        fields.network(KEY), Optional.empty(), List.of(), weights, fields.place());
  }

  private static NetworkRecipe ofProgram(
      Path file, List<String> taps, Optional<Path> weights, String place) {
    return new NetworkRecipe(
        file.getFileName().toString(), Optional.of(file), taps, weights, place);
  }

  private static List<String> readTaps(Fields fields) {
    return fields.keys().stream().map(name -> name + "=" + fields.text(name)).toList();
  }

  /** Returns the same network with weights that the recipe does not name. */
  NetworkRecipe withWeights(Path file) {
    return new NetworkRecipe(name, program, taps, Optional.of(file), "");
  }

  /** Returns whether it comes with trained weights. */
  boolean isTrained() {
    return program.isPresent() || weights.isPresent();
  }

  /**
   * Creates the network with the taps that terms ask for.
   *
   * @param inputShape the shape of one sample, without the batch
   * @param wanted the names and groups of these taps
   */
  Network make(int classes, long[] inputShape, Collection<String> wanted) {
    return program.isEmpty() ? Networks.createFor(name, classes, inputShape) : load(wanted);
  }

  private Network load(Collection<String> wanted) {
    Path file = program.orElseThrow();
    try {
      return name.endsWith(EXPORTED)
          ? ExportedNetwork.load(file, chosen(wanted, suggested(file, wanted)))
          : TorchScriptNetwork.load(file, taps.toArray(String[]::new));
    } catch (FileException wrong) {
      throw RecipeException.at(place + KEY, wrong);
    }
  }

  private List<String> suggested(Path file, Collection<String> wanted) {
    return taps.isEmpty() && !wanted.isEmpty() ? ExportedNetwork.suggestTaps(file) : taps;
  }

  /** Returns the requested taps: known by name or group, or else the path of a module. */
  private static String[] chosen(Collection<String> wanted, List<String> known) {
    List<String> chosen = new ArrayList<>();
    for (String tap : wanted) {
      List<String> found =
          known.stream().filter(one -> TapsRecipe.names(tap, nameOf(one))).toList();
      (found.isEmpty() && !TapsRecipe.isGroup(tap) ? Stream.of(tap) : found.stream())
          .filter(one -> !chosen.contains(one))
          .forEach(chosen::add);
    }
    return chosen.toArray(String[]::new);
  }

  private static String nameOf(String tap) {
    return tap.substring(0, tap.indexOf('='));
  }

  /** Loads the weights, if there are any. */
  void loadWeights(Network network) {
    if (weights.isEmpty()) {
      return;
    }
    try {
      network.loadStateDict(weights.get());
    } catch (FileException wrong) {
      throw new RecipeException(
          "%s%s must be a state dict of %s (got %s: %s)"
              .formatted(place, WEIGHTS, name, weights.get(), RecipeException.rule(wrong)),
          wrong);
    }
  }
}
