package org.retort.recipes;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.retort.data.Augmentation;
import org.retort.data.IdxDataset;

/** Reads where the data are. */
final class DataSources {
  /** The keys by which a recipe names its data. */
  private static final List<String> KEYS =
      List.of("name", "folder", "train", "csv", "idx", "cifar");

  private DataSources() {}

  /** Reads the one key that says so, and those that go with it. */
  static DataSource read(Fields fields, Augmentation augmentation) {
    List<String> given = KEYS.stream().filter(fields::has).toList();
    if (given.isEmpty()) {
      throw fields.wrong("data", "have one of " + String.join(", ", KEYS), "none");
    }
    if (given.size() > 1) {
      throw fields.wrong(given.get(1), "not be given with " + given.get(0), "both");
    }
    String key = given.get(0);
    return switch (key) {
      case "folder" -> {
        PictureData pictures = PictureData.read(fields, augmentation);
        Validation validation = Validation.read(fields);
        yield files(fields, key, folder -> pictures.open(folder, validation));
      }
      case "train" -> {
        PictureData pictures = PictureData.read(fields, augmentation);
        Path test = fields.path("test");
        yield files(fields, key, train -> pictures.open(train, test, train.toString()));
      }
      case "csv" -> {
        refuseForTables(fields, "normalization", "standardises by itself");
        refuseForTables(fields, "augmentation", "has no pixels");
        TableData table = TableData.read(fields);
        Validation validation = Validation.read(fields);
        yield files(fields, key, file -> table.open(file, validation));
      }
      case "idx" -> {
        Validation validation = Validation.read(fields);
        yield files(fields, key, folder -> idx(folder, validation));
      }
      case "cifar" -> files(fields, key, CifarFiles::any);
      default -> NamedData.read(fields);
    };
  }

  private static void refuseForTables(Fields fields, String key, String reason) {
    if (fields.has(key)) {
      throw fields.wrong(key, "not be given for a table, which " + reason, "it");
    }
  }

  private static DataParts idx(Path folder, Validation validation) {
    IdxFiles files = IdxFiles.of(folder);
    if (files.hasTest()) {
      validation.requireNone();
      return files.parts(folder.toString());
    }
    IdxDataset whole = files.train();
    return validation.split(whole, folder.toString());
  }

  private static DataSource files(Fields fields, String key, Function<Path, DataParts> opener) {
    return new FilesData(fields.path(key), fields.place(key), opener);
  }
}
