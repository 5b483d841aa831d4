package org.retort.recipes;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.retort.FileException;
import org.retort.data.CifarDataset;
import org.retort.data.Dataset;
import org.retort.data.Digits;
import org.retort.data.IdxDataset;
import org.retort.data.ImageShape;

/** The data that recipes name. */
final class DataFactory {
  private static final String DIGITS = "digits";

  /** How files become data. */
  private interface Opener {
    Parts open(Path folder);
  }

  private record Parts(Dataset train, Dataset test, String credit) {}

  /** Data, and what is known of them without their files. */
  private record Source(ImageShape shape, int classes, int trainSize, Opener opener) {}

  private static final Map<String, Source> SOURCES = sources();

  private DataFactory() {}

  private static Map<String, Source> sources() {
    ImageShape cifar = new ImageShape(3, 32, 32);
    ImageShape mnist = new ImageShape(1, 28, 28);
    ImageShape digits = new ImageShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    return new TreeMap<>(
        Map.of(
            DIGITS,
            new Source(digits, Digits.CLASSES, Digits.TRAIN_SIZE, folder -> digits()),
            "cifar10",
            new Source(cifar, 10, 50_000, DataFactory::cifar10),
            "cifar100",
            new Source(cifar, 100, 50_000, DataFactory::cifar100),
            "mnist",
            new Source(mnist, 10, 60_000, folder -> idx(folder, "LeCun, Cortes, Burges: MNIST")),
            "fashion-mnist",
            new Source(
                mnist,
                10,
                60_000,
                folder -> idx(folder, "Xiao, Rasul, Vollgraf: Fashion-MNIST, 2017, MIT licence"))));
  }

  /** Returns the names. */
  static Set<String> names() {
    return SOURCES.keySet();
  }

  /** Reads the data, from a folder unless they ship with Retort. */
  static ExperimentData open(Recipe recipe, Optional<Path> folder) {
    String name = recipe.data().name();
    boolean ships = name.equals(DIGITS);
    if (ships && folder.isPresent()) {
      throw new RecipeException(
          "folder must not be given for the data of %s, which ship with Retort (got %s)"
              .formatted(name, folder.get()));
    }
    if (!ships && !folder.map(Files::isDirectory).orElse(false)) {
      throw wrongFolder(name, folder.map(Path::toString).orElse("none"));
    }
    Parts parts;
    try {
      parts = SOURCES.get(name).opener().open(folder.orElse(null));
    } catch (IllegalArgumentException | FileException wrong) {
      throw wrongFolder(
          name, folder.map(Path::toString).orElse("") + ": " + RecipeException.rule(wrong));
    }
    return new ExperimentData(recipe, parts.train(), parts.test(), parts.credit());
  }

  private static RecipeException wrongFolder(String data, String got) {
    return new RecipeException(
        "folder must be that of the files of %s (got %s)".formatted(data, got));
  }

  /** Returns noise in the shape of the data. */
  static ExperimentData noise(Recipe recipe) {
    Source source = SOURCES.get(recipe.data().name());
    Dataset noise = new NoiseDataset(source.shape(), source.classes(), source.trainSize());
    return new ExperimentData(recipe, noise, null, "noise");
  }

  private static Parts digits() {
    Digits digits = Digits.load();
    return new Parts(digits.train(), digits.test(), Digits.CREDIT);
  }

  private static Parts cifar10(Path folder) {
    Path[] train =
        IntStream.rangeClosed(1, 5)
            .mapToObj(i -> folder.resolve("data_batch_" + i + ".bin"))
            .toArray(Path[]::new);
    return new Parts(
        CifarDataset.cifar10(train),
        CifarDataset.cifar10(folder.resolve("test_batch.bin")),
        "Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009, CIFAR-10");
  }

  private static Parts cifar100(Path folder) {
    return new Parts(
        CifarDataset.cifar100(folder.resolve("train.bin")),
        CifarDataset.cifar100(folder.resolve("test.bin")),
        "Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009, CIFAR-100");
  }

  private static Parts idx(Path folder, String credit) {
    return new Parts(idxPart(folder, "train"), idxPart(folder, "t10k"), credit);
  }

  private static Dataset idxPart(Path folder, String part) {
    return IdxDataset.open(
        compressedOrNot(folder, part + "-images-idx3-ubyte"),
        compressedOrNot(folder, part + "-labels-idx1-ubyte"),
        10);
  }

  private static Path compressedOrNot(Path folder, String name) {
    Path plain = folder.resolve(name);
    return Files.exists(plain) ? plain : folder.resolve(name + ".gz");
  }
}
