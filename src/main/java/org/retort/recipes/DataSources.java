package org.retort.recipes;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.retort.data.IdxDataset;

/** Reads where data are. */
final class DataSources {
  /** What messages call the keys by which a recipe names its data. */
  private static final List<String> KEYS = List.of("name", "idx", "cifar");

  private static final Map<String, Function<Fields, DataSource>> READERS =
      Map.of(
          "name", NamedData::read,
          "idx", DataSources::idx,
          "cifar", DataSources::cifar);

  private DataSources() {}

  /** Reads the one key that says it, and those beside it. */
  static DataSource read(Fields fields) {
    List<String> given = KEYS.stream().filter(fields::has).toList();
    if (given.isEmpty()) {
      throw fields.wrong("data", "have one of " + String.join(", ", KEYS), "none");
    }
    if (given.size() > 1) {
      throw fields.wrong(given.get(1), "not be given with " + given.get(0), "both");
    }
    return READERS.get(given.get(0)).apply(fields);
  }

  private static DataSource cifar(Fields fields) {
    return files(fields, "cifar", CifarFiles::any);
  }

  private static DataSource idx(Fields fields) {
    Validation validation = Validation.read(fields);
    return files(
        fields,
        "idx",
        folder -> {
          IdxFiles files = IdxFiles.of(folder);
          String credit = String.valueOf(folder);
          if (files.hasTest()) {
            validation.requireNone();
            return files.parts(credit);
          }
          IdxDataset whole = files.train();
          return validation.split(whole, credit);
        });
  }

  private static DataSource files(Fields fields, String key, Function<Path, DataParts> opener) {
    return new FilesData(fields.path(key), fields.place(key), opener);
  }
}
