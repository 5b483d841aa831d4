package org.retort.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkEnv;
import org.apache.spark.util.Utils;
import org.retort.models.Predictor;

/** The models of an executor: each is loaded once, and the most recently used stay. */
final class LoadedModels {
  private static final int MOST_UNUSED = 4;
  private static final Map<String, Model> MODELS = new LinkedHashMap<>(16, 0.75f, true);

  private LoadedModels() {}

  /** A model and the number of its users. */
  private static final class Model {
    final Predictor predictor;
    int users;

    Model(Predictor predictor) {
      this.predictor = predictor;
    }
  }

  /**
   * Acquires a model until it is released.
   *
   * @param id of the model
   * @param files the files of its folder, by name
   */
  static synchronized Predictor acquire(String id, Map<String, byte[]> files) {
    Model model = MODELS.computeIfAbsent(id, missing -> new Model(load(files)));
    model.users++;
    return model.predictor;
  }

  /** Releases a model. */
  static synchronized void release(String id) {
    MODELS.get(id).users--;
    long unused = MODELS.values().stream().filter(model -> model.users == 0).count();
    for (Iterator<Model> all = MODELS.values().iterator(); unused > MOST_UNUSED; ) {
      Model model = all.next(); // the least recently used first
      if (model.users == 0) {
        model.predictor.close();
        all.remove();
        unused--;
      }
    }
  }

  /** Returns the number of loaded models. */
  static synchronized int count() {
    return MODELS.size();
  }

  private static Predictor load(Map<String, byte[]> files) {
    try {
      Path folder =
          Files.createTempDirectory(
              Path.of(Utils.getLocalDir(SparkEnv.get().conf())), "retort-model-");
      try {
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
          Files.write(folder.resolve(file.getKey()), file.getValue());
        }
        return Predictor.load(folder);
      } finally {
        for (String name : files.keySet()) {
          Files.deleteIfExists(folder.resolve(name));
        }
        Files.delete(folder);
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
