package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.train.TrainingStep;

final class ImageColumnsTest {
  private static final ImageColumns COLUMNS = ImageColumns.of("image", 1, 1, 2).withLabel("y", 3);

  private static Row row(Object image, Object label) {
    Object[] values = {image, label};
    return new GenericRowWithSchema(values, StructType.fromDDL("image binary, y int"));
  }

  private static float[] read(Object image) {
    float[] values = new float[2];
    COLUMNS.read(row(image, 0), FloatBuffer.wrap(values));
    return values;
  }

  private static Object numbers(Object... values) {
    return scala.jdk.javaapi.CollectionConverters.asScala(Arrays.asList(values)).toSeq();
  }

  @Test
  void read_bytesAndNumbers_areValues() {
    assertThat(read(new byte[] {(byte) 255, 51})).containsExactly(1, 0.2f);
    assertThat(read(numbers(2.5, -1.0))).containsExactly(2.5f, -1);
    assertThat(read(numbers(2.5f, 3f))).containsExactly(2.5f, 3);
    assertThat(read(numbers(7, 8L))).containsExactly(7, 8);
  }

  @Test
  void read_anythingElse_isRefused() {
    assertIllegal(
        () -> read(null),
        "ImageColumns: column image must be bytes or an array of numbers (got null)");
    assertIllegal(
        () -> read("ab"),
        "ImageColumns: column image must be bytes or an array of numbers (got String)");
    assertIllegal(
        () -> read(new byte[3]),
        "ImageColumns: column image must have 2 values, [1, 1, 2] (got 3)");
    assertIllegal(
        () -> read(numbers(1.0, null)),
        "ImageColumns: column image must have arrays of numbers (got one with null)");
  }

  @Test
  void label_ofClass_isItsNumber() {
    for (Object two : List.of(2, 2L, (short) 2, 2.0)) {
      assertThat(COLUMNS.label(row(new byte[2], two))).isEqualTo(2);
    }
    assertThat(COLUMNS.label(row(new byte[2], null))).isEqualTo(-1);
    assertThat(ImageColumns.of("image", 2).label(RowFactory.create(1))).isEqualTo(-1);
    for (Object wrong : List.of(3, -1, 0.5, "1", Double.NaN, 1L << 32)) {
      assertIllegal(
          () -> COLUMNS.label(row(new byte[2], wrong)),
          "ImageColumns: column y must have classes from 0 to 2, or null (got " + wrong + ")");
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, 1L << 31})
  void of_shapeThatIsNone_isRefused(long size) {
    assertThatThrownBy(() -> ImageColumns.of("image", size))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(
            "ImageColumns: input shape must be [channels, height, width] or [features] (got [");
    assertThatThrownBy(() -> ImageColumns.of("image", 1, 2)).hasMessageContaining("[1, 2]");
  }

  @Test
  void jobs_withWrongValues_areRefused() {
    StepJob.StepMaker none = rank -> TrainingStep.builder(null);
    assertIllegal(() -> StepJob.of(null, none), "StepJob: reader must be given (got null)");
    assertIllegal(() -> StepJob.of(COLUMNS, null), "StepJob: maker must be given (got null)");
    assertIllegal(
        () -> StepJob.of(COLUMNS, none).withBatch(0), "StepJob: batch must be at least 1 (got 0)");
    assertIllegal(
        () -> StepJob.of(COLUMNS, none).withEpochs(0),
        "StepJob: epochs must be at least 1 (got 0)");
    assertIllegal(
        () -> SparkJob.of(COLUMNS, null), "SparkJob.of: training must be given (got null)");
    assertIllegal(
        () -> SparkDistillation.of(null), "SparkDistillation.of: context must be given (got null)");
  }
}
