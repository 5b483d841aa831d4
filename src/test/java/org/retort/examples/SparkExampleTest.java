package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.Digits;

@Tag("spark")
final class SparkExampleTest {
  @TempDir private Path folder;

  @Test
  void distill_digits_predictsIntoATable() throws Exception {
    try (SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .getOrCreate()) {
      Dataset<Row> predicted =
          SparkExample.distill(
              spark, 2, 3, folder.resolve("shared").toString(), folder.resolve("model"));
      assertThat(predicted.columns())
          .containsExactly("image", "label", "prediction", "probabilities");
      assertThat(predicted.count()).isEqualTo(Digits.TEST_SIZE);
      assertThat(SparkExample.accuracy(predicted)).isGreaterThan(0.5);
    }
  }
}
