package org.retort.recipes;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.retort.FileException;
import org.retort.data.Digits;
import org.retort.data.ImageShape;

/**
 * Data that Retort knows by name: {@code name: digits | cifar10 | …}. All except the digits, which
 * ship with it, are read from a folder in their distributed form.
 *
 * @param name the name of the data
 */
record NamedData(String name) implements DataSource {
  private static final String DIGITS = "digits";

  /** Data, and noise in their shape, which needs no files. */
  private record Known(NoiseDataset noise, Function<Path, DataParts> opener) {}

  private static final Map<String, Known> KNOWN = known();

  private static Map<String, Known> known() {
    ImageShape cifar = new ImageShape(3, 32, 32);
    ImageShape mnist = new ImageShape(1, 28, 28);
    ImageShape digits = new ImageShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    return new TreeMap<>(
        Map.of(
            DIGITS,
            images(digits, Digits.CLASSES, Digits.TRAIN_SIZE, folder -> digits()),
            "cifar10",
            images(cifar, 10, 50_000, CifarFiles::cifar10),
            "cifar100",
            images(cifar, 100, 50_000, CifarFiles::cifar100),
            "mnist",
            images(mnist, 10, 60_000, folder -> idx(folder, "LeCun, Cortes, Burges: MNIST")),
            "fashion-mnist",
            images(
                mnist,
                10,
                60_000,
                folder -> idx(folder, "Xiao, Rasul, Vollgraf: Fashion-MNIST, 2017, MIT licence")),
            "letters",
            new Known(
                NoiseDataset.ofRows(
                    LettersFile.FEATURES, LettersFile.CLASSES, LettersFile.TRAIN_SIZE),
                LettersFile::parts)));
  }

  private static Known images(
      ImageShape shape, int classes, int trainSize, Function<Path, DataParts> opener) {
    return new Known(NoiseDataset.ofImages(shape, classes, trainSize), opener);
  }

  /** Reads the key {@code name}. */
  static NamedData read(Fields fields) {
    return new NamedData(fields.choice("name", names()));
  }

  /** Returns the names. */
  static Set<String> names() {
    return KNOWN.keySet();
  }

  @Override
  public DataParts open(Optional<Path> folder) {
    boolean ships = name.equals(DIGITS);
    if (ships && folder.isPresent()) {
      throw new RecipeException(
          "folder must not be given for the data of %s, which ship with Retort (got %s)"
              .formatted(name, folder.get()));
    }
    if (!ships && !folder.map(Files::isDirectory).orElse(false)) {
      throw wrongFolder(folder.map(Path::toString).orElse("none"));
    }
    try {
      return KNOWN.get(name).opener().apply(folder.orElse(null));
    } catch (IllegalArgumentException | FileException wrong) {
      throw wrongFolder(folder.map(Path::toString).orElse("") + ": " + RecipeException.rule(wrong));
    }
  }

  private RecipeException wrongFolder(String got) {
    return new RecipeException(
        "folder must be that of the files of %s (got %s)".formatted(name, got));
  }

  @Override
  public DataParts noise() {
    return DataParts.noise(KNOWN.get(name).noise());
  }

  private static DataParts digits() {
    Digits digits = Digits.load();
    return DataParts.of(digits.train(), digits.test(), Digits.CREDIT);
  }

  private static DataParts idx(Path folder, String credit) {
    return IdxFiles.of(folder).parts(credit);
  }
}
