package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.models.ModelDescription;
import org.retort.models.Network;
import org.retort.models.Predictor;
import org.retort.models.Preprocessing;
import org.retort.models.ResNet;
import org.retort.models.SavedModel;
import scala.Tuple2;

@Tag("spark")
@Timeout(600)
final class SparkPredictionTest {
  private static final Noise DATA = new Noise(150);
  private static final ImageColumns IMAGES = ImageColumns.of("image", 1, 8, 8);

  @TempDir private static Path folder;

  private static SparkSession spark;
  private static Dataset<Row> rows;
  private static Path model;
  private static float[][] expected;

  @BeforeAll
  static void start() {
    spark = SparkSessions.start(SparkSessions.local(2));
    rows = SparkSessions.rows(spark, DATA);
    Retort.manualSeed(7);
    model = save(folder, SparkDistillationTest.weights(8));
    expected = new float[DATA.size()][10];
    FloatBuffer image = direct(64);
    FloatBuffer probabilities = direct(10);
    try (Predictor predictor = Predictor.load(model)) {
      for (int i = 0; i < expected.length; i++) {
        DATA.read(i, image.clear());
        predictor.probabilities(image.flip(), probabilities.clear());
        probabilities.get(0, expected[i]);
      }
    }
  }

  private static FloatBuffer direct(int count) {
    return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }

  /** Saves a resnet8 with a normalisation. */
  static Path save(Path folder, byte[] weights) {
    Path saved = folder.resolve("model");
    try (Network network = ResNet.cifar(8, 10, 1)) {
      network.loadStateDict(weights);
      network.probe(1, 8, 8);
      network.setPreprocessing(
          Preprocessing.of()
              .withNormalization(new double[] {0.4}, new double[] {0.3})
              .withInputShape(1, 8, 8));
      network.publish();
      SavedModel.save(saved, network, ModelDescription.of("resnet8"));
    }
    return saved;
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @Test
  void transform_rows_addsWhatAPredictorComputes() {
    try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model)) {
      List<Row> predicted = prediction.transform(rows, IMAGES).collectAsList();
      assertThat(predicted).hasSize(DATA.size());
      for (int i = 0; i < DATA.size(); i++) {
        Row row = predicted.get(i);
        assertThat(row.<Integer>getAs("label")).isEqualTo(DATA.label(i));
        List<Float> probabilities = row.getList(row.fieldIndex("probabilities"));
        for (int k = 0; k < 10; k++) {
          assertThat(probabilities.get(k)).isCloseTo(expected[i][k], within());
        }
        assertThat(row.<Integer>getAs("prediction")).isEqualTo(PredictedRows.best(expected[i]));
      }
    }
  }

  private static org.assertj.core.data.Offset<Float> within() {
    return org.assertj.core.data.Offset.offset(1e-5f);
  }

  @Test
  void function_inSql_isTheMostProbableClass() {
    try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model)) {
      spark.udf().register("student", prediction.function(IMAGES));
      rows.createOrReplaceTempView("noise");
      List<Row> classes =
          spark.sql("SELECT student(image), student(NULL) FROM noise").collectAsList();
      for (int i = 0; i < DATA.size(); i++) {
        assertThat(classes.get(i).getInt(0)).isEqualTo(PredictedRows.best(expected[i]));
        assertThat(classes.get(i).isNullAt(1)).isTrue();
      }
    }
  }

  @Test
  void predict_anyRows_keepsThem() {
    try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model)) {
      JavaRDD<Row> any = rows.toJavaRDD();
      List<Tuple2<Row, float[]>> predicted = prediction.predict(any, IMAGES).collect();
      assertThat(predicted).hasSize(DATA.size());
      assertThat(predicted.get(3)._1().<Integer>getAs("label")).isEqualTo(DATA.label(3));
      assertThat(predicted.get(3)._2()).containsExactly(expected[3], within());
    }
  }

  @Test
  void manyModels_oneAfterTheOther_areForgotten() {
    for (int i = 0; i < 7; i++) {
      try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model)) {
        assertThat(prediction.transform(rows.limit(3), IMAGES).count()).isEqualTo(3);
        prediction.transform(rows.limit(3), IMAGES).collectAsList();
      }
    }
    assertThat(LoadedModels.count()).isLessThanOrEqualTo(4);
  }

  @Test
  void badArguments_areRefused() {
    assertThatThrownBy(() -> SparkPrediction.of(spark.sparkContext(), folder.resolve("none")))
        .isInstanceOf(FileException.class);
    try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), model)) {
      assertIllegal(
          () -> prediction.transform(rows.withColumnRenamed("label", "prediction"), IMAGES),
          "SparkPrediction.transform: rows must have no column prediction (got one)");
      List<Row> wrong = new ArrayList<>();
      wrong.add(RowFactory.create((Object) new byte[63]));
      Dataset<Row> small = spark.createDataFrame(wrong, StructType.fromDDL("image binary"));
      assertThatThrownBy(() -> prediction.transform(small, IMAGES).collectAsList())
          .hasMessageContaining(
              "ImageColumns: column image must have 64 values, [1, 8, 8] (got 63)");
    }
  }
}
