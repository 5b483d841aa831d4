package org.retort.spark;

import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.spark.SparkContext;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.TaskCompletionListener;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.internal.Arguments;
import org.retort.models.Predictor;
import scala.Tuple2;

/**
 * Prediction with a trained network on the executors of a Spark cluster. Each executor loads the
 * native libraries and the network once, for all tasks and for its lifetime.
 *
 * <pre>{@code
 * SavedModel.save(folder, student, ModelDescription.of("resnet8"));
 * try (SparkPrediction prediction = SparkPrediction.of(spark.sparkContext(), folder)) {
 *   prediction.transform(rows, ImageColumns.of("image", 1, 8, 8)).write().parquet(target);
 * }
 * }</pre>
 *
 * <p>Images are normalised as in training, by the preprocessing in the folder.
 */
public final class SparkPrediction implements Serializable, AutoCloseable {
  private static final long serialVersionUID = 1L;
  private static final String NAME = "SparkPrediction";
  private static final List<String> FILES =
      List.of("model.json", "student.pt", "student.ts", "columns.csv");

  /** The column of the most probable class that {@link #transform} adds. */
  public static final String PREDICTION = "prediction";

  /** The column of the probabilities of all classes that {@link #transform} adds. */
  public static final String PROBABILITIES = "probabilities";

  private final String id = UUID.randomUUID().toString();
  private final Broadcast<Map<String, byte[]>> files;

  private SparkPrediction(Broadcast<Map<String, byte[]>> files) {
    this.files = files;
  }

  /**
   * Sends a model to the executors.
   *
   * @param context of the application, for example {@code spark.sparkContext()}
   * @param folder a folder on the driver, written by {@link org.retort.models.SavedModel#save} or
   *     {@code retort distill}; its TorchScript file is a program: use only folders you trust
   * @return a new prediction, which the caller closes
   * @throws IllegalArgumentException if an argument is null
   * @throws FileException if a file can't be read, or is damaged
   */
  public static SparkPrediction of(SparkContext context, Path folder) {
    Arguments.notNull(context, NAME + ".of", "context");
    Arguments.notNull(folder, NAME + ".of", "folder");
    Predictor.load(folder).close(); // fails here, not on the executors
    Map<String, byte[]> files = new TreeMap<>();
    try {
      for (String name : FILES) {
        Path file = folder.resolve(name);
        if (Files.exists(file)) {
          files.put(name, Files.readAllBytes(file));
        }
      }
    } catch (IOException error) {
      throw new FileException(NAME + ".of: folder must be readable (got " + folder + ")", error);
    }
    return new SparkPrediction(JavaSparkContext.fromSparkContext(context).broadcast(files));
  }

  /**
   * Adds predictions to the rows of a table.
   *
   * @param rows the rows
   * @param images the column of the images
   * @return the rows with two more columns: {@link #PREDICTION}, an {@code int}, and {@link
   *     #PROBABILITIES}, an {@code array<float>}. Computed when Spark needs it, like any table. It
   *     fails on a row without an image: filter such rows out first
   * @throws IllegalArgumentException if an argument is null, or the rows have such a column already
   */
  public Dataset<Row> transform(Dataset<Row> rows, ImageColumns images) {
    String function = NAME + ".transform";
    Arguments.notNull(rows, function, "rows");
    Arguments.notNull(images, function, "images");
    for (String added : List.of(PREDICTION, PROBABILITIES)) {
      Arguments.check(
          Stream.of(rows.columns()).noneMatch(added::equalsIgnoreCase),
          "%s: rows must have no column %s (got one)",
          function,
          added);
    }
    StructType schema =
        rows.schema()
            .add(PREDICTION, DataTypes.IntegerType, false)
            .add(PROBABILITIES, DataTypes.createArrayType(DataTypes.FloatType, false), false);
    MapPartitionsFunction<Row, Row> predict = partition -> mapped(predicted(partition, images));
    return rows.mapPartitions(predict, Encoders.row(schema));
  }

  private static Iterator<Row> mapped(Iterator<Tuple2<Row, float[]>> predicted) {
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return predicted.hasNext();
      }

      @Override
      public Row next() {
        Tuple2<Row, float[]> next = predicted.next();
        Row row = next._1();
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < row.size(); i++) {
          values.add(row.get(i));
        }
        values.add(PredictedRows.best(next._2()));
        List<Float> probabilities = new ArrayList<>();
        for (float probability : next._2()) {
          probabilities.add(probability);
        }
        values.add(asScala(probabilities).toSeq());
        return RowFactory.create(values.toArray());
      }
    };
  }

  /**
   * Predicts class probabilities for rows of any type.
   *
   * @param rows the rows
   * @param reader turns rows into samples
   * @param <T> the type of the rows
   * @return each row with the probabilities of all classes
   * @throws IllegalArgumentException if an argument is null
   */
  public <T> JavaPairRDD<T, float[]> predict(JavaRDD<T> rows, SampleReader<T> reader) {
    Arguments.notNull(rows, NAME + ".predict", "rows");
    Arguments.notNull(reader, NAME + ".predict", "reader");
    return rows.mapPartitionsToPair(partition -> predicted(partition, reader));
  }

  /**
   * Returns the prediction as a Spark SQL function from an image to its most probable class. It
   * predicts one image at a time: {@link #transform} is faster.
   *
   * <pre>{@code
   * spark.udf().register("student", prediction.function(ImageColumns.of("image", 1, 8, 8)));
   * spark.sql("SELECT student(image) FROM digits");
   * }</pre>
   *
   * @param images the shape of the images; the name of the column is not used
   * @return a function from {@code binary} or an {@code array} of numbers to {@code int}; null for
   *     null
   * @throws IllegalArgumentException if it is null
   */
  public UserDefinedFunction function(ImageColumns images) {
    Arguments.notNull(images, NAME + ".function", "images");
    return functions.udf(new ImageFunction(this, images.values()), DataTypes.IntegerType);
  }

  private <T> Iterator<Tuple2<T, float[]>> predicted(Iterator<T> rows, SampleReader<T> reader) {
    Predictor predictor = acquire();
    TaskCompletionListener release = ended -> release();
    TaskContext.get().addTaskCompletionListener(release);
    return new PredictedRows<>(predictor, reader, rows, PredictedRows.BATCH);
  }

  /** Acquires the model for this task until it is released. */
  Predictor acquire() {
    TaskContext task = TaskContext.get();
    if (task != null) {
      Retort.threads(task.cpus());
    }
    return LoadedModels.acquire(id, files.value());
  }

  /** Releases the model. */
  void release() {
    LoadedModels.release(id);
  }

  /**
   * Removes the model from the driver, and from executors that have not loaded it. Those that have
   * keep the last models until others replace them.
   */
  @Override
  public void close() {
    files.destroy();
  }
}
