package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Digits;
import org.retort.data.Subset;

/** Ranks are processes, the executors of a cluster on this machine. */
@Tag("spark")
@Timeout(600)
final class SparkClusterTest {
  private static final Subset DATA =
      Subset.of(Digits.load().train(), IntStream.range(0, 130).toArray());

  @TempDir private Path folder;

  @Test
  void train_executorThatIsKilled_isReplacedAndResumes() throws IOException {
    Retort.manualSeed(1);
    byte[] teacher = SparkDistillationTest.weights(14);
    byte[] student = SparkDistillationTest.weights(8);
    try (SparkSession spark = SparkSessions.start(SparkSessions.cluster(2))) {
      Dataset<Row> rows = SparkSessions.rows(spark, DATA);
      SparkDistillation distillation = SparkDistillation.of(spark.sparkContext()).ranks(2);
      byte[] expected =
          distillation.train(rows, job("expected", teacher, student, DigitsJob.Fault.NONE));
      List<SparkEpoch> epochs = new CopyOnWriteArrayList<>();
      byte[] resumed = expected;
      for (int killed : List.of(1, 0)) {
        epochs.clear();
        DigitsJob job =
            new DigitsJob(
                "killed", teacher, student, DigitsJob.Fault.KILL, killed, DigitsJob.EPOCHS);
        resumed =
            distillation
                .checkpoints(folder.resolve("kept" + killed).toString())
                .onEpoch(epochs::add)
                .train(rows, job);
        assertThat(resumed).as("rank %d killed", killed).isEqualTo(expected);
        assertThat(epochs).extracting(SparkEpoch::epoch).contains(1, 2).doesNotHaveDuplicates();
      }
      try (SparkPrediction prediction =
          SparkPrediction.of(spark.sparkContext(), SparkPredictionTest.save(folder, resumed))) {
        List<Integer> classes =
            prediction
                .transform(rows.repartition(4), DigitsJob.IMAGES)
                .select(SparkPrediction.PREDICTION)
                .collectAsList()
                .stream()
                .map(row -> row.getInt(0))
                .toList();
        assertThat(classes).hasSize(DATA.size()).allMatch(predicted -> predicted < 10);
      }
      assertDynamicAllocationIsRefused(spark, rows, student);
    }
  }

  private static void assertDynamicAllocationIsRefused(
      SparkSession spark, Dataset<Row> rows, byte[] student) {
    spark.sparkContext().conf().set("spark.dynamicAllocation.enabled", "true");
    DigitsJob job = job("none", student, student, DigitsJob.Fault.NONE);
    assertThatThrownBy(() -> SparkDistillation.of(spark.sparkContext()).train(rows, job))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith(
            "SparkDistillation.train: spark.dynamicAllocation.enabled must be false")
        .hasMessageEndingWith("(got true)");
  }

  private static DigitsJob job(String run, byte[] teacher, byte[] student, DigitsJob.Fault fault) {
    return new DigitsJob(run, teacher, student, fault, 1, DigitsJob.EPOCHS);
  }
}
