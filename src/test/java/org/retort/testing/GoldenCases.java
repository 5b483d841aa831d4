package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.ByteVector;
import org.bytedeco.pytorch.GenericDict;
import org.bytedeco.pytorch.GenericDictIterator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.provider.Arguments;
import org.retort.losses.DistillationLoss;

/**
 * The golden cases of the folder named by the environment variable {@code RETORT_GOLDEN_DIR}, or of
 * the repository's own.
 */
public final class GoldenCases {
  private static final String STEP = "step_";
  private static final String STANDARDISED = "standardised_";
  private static final String EXTENSION = ".pt";
  private static final List<String> LOSSES = List.of("kd", "fsp", "nst", "crd", "ofd");

  private GoldenCases() {}

  /** Returns where the cases are. */
  public static Path folder() {
    String given = System.getenv("RETORT_GOLDEN_DIR");
    return given == null || given.isEmpty()
        ? Path.of(System.getProperty("basedir", ""), "native", "tests", "golden")
        : Path.of(given);
  }

  /** Returns the names that begin with {@code prefix}, in alphabetical order. */
  public static List<String> names(String prefix) throws IOException {
    try (Stream<Path> files = Files.list(folder())) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(file -> file.startsWith(prefix) && file.endsWith(EXTENSION))
          .map(file -> file.substring(0, file.length() - EXTENSION.length()))
          .sorted()
          .toList();
    }
  }

  /** Pairs each name with each precision, for a parameterised test. */
  public static List<Arguments> inEachPrecision(String prefix) throws IOException {
    List<Arguments> cases = new ArrayList<>();
    for (String name : names(prefix)) {
      for (Precision precision : Precision.values()) {
        cases.add(Arguments.of(name, precision));
      }
    }
    return cases;
  }

  /** Reads a case: tensors by name. */
  public static Map<String, Tensor> read(String name) throws IOException {
    byte[] bytes = Files.readAllBytes(folder().resolve(name + EXTENSION));
    GenericDict dict = torch.pickle_load(new ByteVector(bytes)).toGenericDict();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (GenericDictIterator i = dict.begin(); i.notEquals(dict.end()); i = i.increment()) {
      tensors.put(i.access().key().toStringRef().getString(), i.access().value().toTensor());
    }
    assertThat(tensors).as(name).isNotEmpty();
    return tensors;
  }

  /** Returns the tensors NAME0, NAME1, … of a case. */
  public static List<Tensor> listed(Map<String, Tensor> golden, String name) {
    return Stream.iterate(0, i -> golden.containsKey(name + i), i -> i + 1)
        .map(i -> golden.get(name + i))
        .toList();
  }

  /** Skips the test if the case needs a loss that the library does not have yet. */
  public static void assumeBuilt(String name) {
    missingLosses(name)
        .forEach(loss -> Assumptions.abort(name + ": loss " + loss + " is not built yet"));
  }

  /** Returns the losses that a case needs, as its name tells, and that are not built yet. */
  public static List<String> missingLosses(String name) {
    List<String> built = builtLosses();
    return neededLosses(name).stream().filter(loss -> !built.contains(loss)).toList();
  }

  /** Returns the losses that the library has, for example {@code kd}. */
  public static List<String> builtLosses() {
    return Stream.of(DistillationLoss.class.getPermittedSubclasses())
        .map(type -> type.getSimpleName().replaceFirst("Loss$", "").toLowerCase(Locale.ROOT))
        .toList();
  }

  /**
   * NAME_anything is a case of the loss NAME; standardised_NAME and step_NAME too, but for step_ce
   * and step_all.
   */
  private static List<String> neededLosses(String name) {
    if (name.startsWith(STANDARDISED)) {
      return List.of(name.substring(STANDARDISED.length()));
    }
    if (!name.startsWith(STEP)) {
      return List.of(name.split("_", 2)[0]);
    }
    String loss = name.substring(STEP.length());
    return switch (loss) {
      case "ce" -> List.of();
      case "all" -> LOSSES;
      default -> List.of(loss);
    };
  }
}
