package org.retort.examples;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.retort.data.Digits;
import org.retort.losses.KdLoss;
import org.retort.models.ModelDescription;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.SavedModel;
import org.retort.spark.ImageColumns;
import org.retort.spark.SparkDistillation;
import org.retort.spark.SparkPrediction;
import org.retort.spark.StepJob;
import org.retort.train.TrainingStep;

/** The documentation's distillation on a Spark cluster. */
final class SparkExample {
  private SparkExample() {}

  /** Returns a table with a column of images, [1, 8, 8], and one of labels. */
  static Dataset<Row> table(SparkSession spark, org.retort.data.Dataset data) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < data.size(); i++) {
      float[] values = new float[64];
      data.read(i, FloatBuffer.wrap(values));
      rows.add(RowFactory.create(values, data.label(i)));
    }
    return spark.createDataFrame(rows, StructType.fromDDL("image array<float>, label int"));
  }

  /** Trains a teacher and a student; returns the test images with what the student predicts. */
  static Dataset<Row> distill(
      SparkSession spark, int ranks, int epochs, String shared, Path model) {
    Dataset<Row> train = table(spark, Digits.load().train());
    Dataset<Row> test = table(spark, Digits.load().test());
    ImageColumns images = ImageColumns.of("image", 1, 8, 8).withLabel("label", 10);
    SparkDistillation cluster = SparkDistillation.of(spark.sparkContext()).ranks(ranks);

    byte[] teacher =
        cluster
            .checkpoints(shared + "/teacher")
            .train(
                train,
                StepJob.of(
                        images,
                        rank ->
                            TrainingStep.builder(rank.closeAtEnd(ResNet.cifar(14, 10, 1)))
                                .inputShape(1, 8, 8))
                    .withBatch(64)
                    .withEpochs(epochs));
    byte[] student =
        cluster
            .checkpoints(shared + "/student")
            .train(
                train,
                StepJob.of(
                        images,
                        rank -> {
                          Network trained = rank.closeAtEnd(ResNet.cifar(14, 10, 1));
                          trained.loadStateDict(teacher);
                          return TrainingStep.builder(
                                  rank.closeAtEnd(ResNet.cifar(8, 10, 1)), trained)
                              .inputShape(1, 8, 8)
                              .add(0.9, KdLoss.of(4));
                        })
                    .withBatch(64)
                    .withEpochs(epochs));

    try (Network network = ResNet.cifar(8, 10, 1)) {
      network.loadStateDict(student);
      SavedModel.save(model, network, ModelDescription.of("resnet8"));
    }
    // Not closed here: Spark predicts when the table is used.
    SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model);
    return prediction.transform(test, images);
  }

  /** Returns the fraction of the rows whose prediction is right. */
  static double accuracy(Dataset<Row> predicted) {
    return (double) predicted.where("prediction = label").count() / predicted.count();
  }
}
