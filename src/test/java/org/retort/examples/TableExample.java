package org.retort.examples;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.retort.data.DatasetBatches;
import org.retort.data.MissingValues;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.data.TableOptions;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.models.Preprocessing;
import org.retort.train.Sgd;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

/** Trains a small network on a CSV file, and predicts a row. */
final class TableExample {
  private TableExample() {}

  static void train(Path csv, Path folder) {
    Table table = Table.read(csv, TableOptions.of("species").withMissingValues(MissingValues.MEAN));
    TableColumns columns = table.fit(); // of the rows that are trained on
    TableDataset data = TableDataset.of(table, columns);
    try (Network network = Networks.create("mlp_32_16", data.classes(), columns.features());
        DatasetBatches batches = DatasetBatches.builder(data).size(16).build();
        TrainingStep step =
            TrainingStep.builder(network)
                .preprocessing(
                    Preprocessing.of(columns.features())
                        .withNormalization(columns.mean(), columns.deviation()))
                .crossEntropy(1)
                .optimizer(Sgd.of(0.1).withMomentum(0.9))
                .build()) {
      Trainer.builder(step, batches).epochs(20).build().run();
      network.saveStateDict(folder.resolve("network.pt")); // with mean and deviation
      columns.write(folder.resolve("columns.csv"));
    }
  }

  static Prediction predict(Path folder, Map<String, String> row) {
    TableColumns columns = TableColumns.read(folder.resolve("columns.csv"));
    List<String> classes = columns.classNames();
    try (Network network = Networks.create("mlp_32_16", classes.size(), columns.features())) {
      network.loadStateDict(folder.resolve("network.pt"));
      try (Predictor predictor = Predictor.of(network, classes)) {
        return predictor.top(1, columns.row(row)).get(0);
      }
    }
  }
}
