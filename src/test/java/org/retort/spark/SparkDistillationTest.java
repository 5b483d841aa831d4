package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.data.Subset;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.ResNet;
import org.retort.train.Evaluation;
import org.retort.train.TrainingStep;

/** Ranks are threads of this process. */
@Tag("spark")
@Timeout(600)
final class SparkDistillationTest {
  private static final int SIZE = 130;
  private static final Subset DATA =
      Subset.of(Digits.load().train(), IntStream.range(0, SIZE).toArray());

  private static final String RECIPE =
      """
      name: short
      source: a test
      data: {name: digits, augmentation: {crop: 1}}
      teacher: {network: resnet14, epochs: 3, batch: 16, seed: 4}
      student: {network: resnet8, epochs: 4, batch: 16}
      optimizer:
        name: sgd
        learning_rate: 0.05
        momentum: 0.9
        schedule: {name: milestones, at: [0.6], factor: 0.1}
      methods:
        kd:
          stages:
            - terms:
                - {loss: kd, weight: 1, temperature: 4}
      """;

  private static SparkSession spark;
  private static Dataset<Row> rows;
  private static byte[] teacher;
  private static byte[] student;

  @TempDir private Path folder;

  @BeforeAll
  static void start() {
    spark = SparkSessions.start(SparkSessions.local(2));
    rows = SparkSessions.rows(spark, DATA);
    Retort.manualSeed(1);
    teacher = weights(14);
    student = weights(8);
  }

  static byte[] weights(int depth) {
    try (Network network = ResNet.cifar(depth, 10, 1)) {
      return StepJob.stateDict(network);
    }
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static DigitsJob job(String run, DigitsJob.Fault fault) {
    return new DigitsJob(run, teacher, student, fault, 1, DigitsJob.EPOCHS);
  }

  private SparkDistillation distillation(int ranks) {
    return SparkDistillation.of(spark.sparkContext()).ranks(ranks);
  }

  @Test
  void train_twoRanks_isAsOneProcess() {
    Noise data = new Noise(SIZE);
    int few = 1; // rounding grows with each step
    List<SparkEpoch> epochs = new CopyOnWriteArrayList<>();
    byte[] trained =
        distillation(2)
            .onEpoch(epochs::add)
            .train(
                SparkSessions.rows(spark, data),
                new DigitsJob("two", teacher, student, DigitsJob.Fault.NONE, 1, few));
    List<DatasetBatches> shards = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      shards.add(DatasetBatches.builder(data).size(DigitsJob.BATCH).seed(3).shard(rank, 2).build());
    }
    byte[] alone =
        new DigitsJob("alone", teacher, student, DigitsJob.Fault.NONE, 1, few)
            .trainAlone(JoinedBatches.of(shards, DigitsJob.BATCH, data.shape()));
    shards.forEach(DatasetBatches::close);
    assertThat(largestDifference(trained, alone)).isLessThan(1e-3);
    assertThat(largestDifference(trained, student)).isGreaterThan(2e-2);
    assertThat(epochs).extracting(SparkEpoch::epoch).containsExactly(0);
    assertThat(epochs).allMatch(epoch -> epoch.training().equals("digits"));
    assertThat(epochs)
        .allMatch(
            epoch -> epoch.loss() > 0 && epoch.accuracy() >= 0 && epoch.imagesPerSecond() > 0);
  }

  /** Returns the largest difference of a value, relative to the largest of its tensor. */
  private static double largestDifference(byte[] one, byte[] other) {
    try (Network first = ResNet.cifar(8, 10, 1);
        Network second = ResNet.cifar(8, 10, 1)) {
      first.loadStateDict(one);
      second.loadStateDict(other);
      Map<String, Tensor> expected = second.stateDict();
      double largest = 0;
      for (Map.Entry<String, Tensor> tensor : first.stateDict().entrySet()) {
        Tensor value = expected.get(tensor.getKey());
        double difference = tensor.getValue().sub(value).abs().max().item_double();
        double scale = Math.max(value.abs().max().item_double(), 1e-2);
        largest = Math.max(largest, difference / scale);
      }
      return largest;
    }
  }

  @Test
  void train_taskThatThrowsOnce_resumesAtTheVeryStep() throws IOException {
    byte[] expected = distillation(2).train(rows, job("expected", DigitsJob.Fault.NONE));
    List<SparkEpoch> epochs = new CopyOnWriteArrayList<>();
    byte[] resumed =
        distillation(2)
            .onEpoch(epochs::add)
            .checkpoints(folder.toUri().toString())
            .train(rows, job("resumed", DigitsJob.Fault.EXCEPTION));
    assertThat(resumed).isEqualTo(expected);
    assertThat(DigitsJob.STARTS.get("resumed")).containsExactly(0L, 6L);
    assertThat(epochs).extracting(SparkEpoch::epoch).containsExactly(0, 1, 2);
    try (Stream<Path> files = Files.list(folder.resolve("digits"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .filteredOn(name -> !name.endsWith(".crc"))
          .satisfiesExactlyInAnyOrder(
              name -> assertThat(name).matches("last\\.checkpoint\\.0002-\\d{8}"),
              name -> assertThat(name).matches("last\\.pt\\.0002-\\d{8}"));
    }
    // A later application goes on from there, with nothing left to do.
    byte[] again =
        distillation(2)
            .checkpoints(folder.toUri().toString())
            .train(rows, job("again", DigitsJob.Fault.NONE));
    assertThat(again).isEqualTo(expected);
    assertThat(DigitsJob.STARTS.get("again")).containsExactly(15L);
  }

  @Test
  void train_withoutCheckpoints_beginsAnew() {
    byte[] expected = distillation(2).train(rows, job("whole", DigitsJob.Fault.NONE));
    byte[] trained = distillation(2).train(rows, job("anew", DigitsJob.Fault.EXCEPTION));
    assertThat(trained).isEqualTo(expected);
    assertThat(DigitsJob.STARTS.get("anew")).containsExactly(0L, 0L);
  }

  @Test
  void train_recipe_trainsTeacherAndStudent() throws Exception {
    Path recipe = folder.resolve("short.yaml");
    Files.writeString(recipe, RECIPE);
    Path kept = folder.resolve("kept");
    RecipeJob<Row> job = RecipeJob.of(DigitsJob.IMAGES, recipe.toString(), "kd").withSeed(1);
    List<SparkEpoch> epochs = new CopyOnWriteArrayList<>();
    SparkDistillation distillation =
        distillation(2).checkpoints(kept.toString()).onEpoch(epochs::add);
    byte[] trained = distillation.train(rows, job);
    assertThat(epochs)
        .extracting(epoch -> epoch.training() + " " + epoch.epoch())
        .contains("teacher 0", "kd-stage0 0");
    epochs.clear();
    assertThat(distillation.train(rows, job)).isEqualTo(trained);
    assertThat(epochs).as("both trainings had ended").isEmpty();
    try (Network network = ResNet.cifar(8, 10, 1);
        DatasetBatches batches = DatasetBatches.inOrder(DATA, 64)) {
      network.loadStateDict(trained);
      assertThat(Evaluation.accuracy(network, batches)).isGreaterThan(0.3);
    }
    assertThatThrownBy(() -> RecipeJob.of(DigitsJob.IMAGES, "digits", "none"))
        .hasMessageStartingWith("RecipeJob: method must be one of ")
        .hasMessageEndingWith(" (got none)");
  }

  @Test
  void train_bytesOrFloats_areTheSame() {
    List<Row> bytes = new ArrayList<>();
    List<Row> floats = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      byte[] image = new byte[12];
      Double[] values = new Double[12];
      for (int k = 0; k < image.length; k++) {
        image[k] = (byte) (20 * i + 7 * k);
        values[k] = (image[k] & 0xff) / 255.0;
      }
      Object label = i % 5 == 0 ? null : i % 3;
      bytes.add(RowFactory.create(image, label));
      floats.add(RowFactory.create(values, label));
    }
    SparkJob.Training readAll =
        rank -> {
          StringBuilder read = new StringBuilder();
          org.retort.data.Dataset data = rank.data();
          for (int i = 0; i < data.size(); i++) {
            FloatBuffer values = FloatBuffer.allocate(12);
            if (i % 2 == rank.ranks().rank()) {
              data.read(i, values);
            }
            read.append(data.label(i)).append(' ').append(List.of(values.array()).size());
            read.append(java.util.Arrays.toString(values.array())).append('\n');
          }
          return rank.ranks().ofFirst(read.toString()).getBytes();
        };
    ImageColumns columns = ImageColumns.of("image", 3, 2, 2).withLabel("label", 3);
    byte[] ofBytes =
        distillation(2)
            .train(
                spark.createDataFrame(bytes, StructType.fromDDL("image binary, label int")),
                SparkJob.of(columns, readAll));
    byte[] ofFloats =
        distillation(2)
            .train(
                spark.createDataFrame(floats, StructType.fromDDL("image array<double>, label int")),
                SparkJob.of(columns, readAll));
    assertThat(new String(ofBytes)).isEqualTo(new String(ofFloats));
    assertThat(new String(ofBytes).lines()).hasSize(20).element(5).asString().startsWith("-1 ");
    assertThat(new String(ofBytes)).contains(String.valueOf(40 / 255f));
  }

  @Test
  void train_rowsOfAnyType_areReadByAReader() {
    List<String> texts = IntStream.range(0, 40).mapToObj(i -> i % 4 + ";" + i / 40.0).toList();
    JavaRDD<String> any =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).parallelize(texts, 3);
    byte[] mlp =
        distillation(2)
            .train(
                any,
                StepJob.of(
                        new TextReader(2, 4),
                        rank ->
                            TrainingStep.builder(rank.closeAtEnd(Networks.createFor("mlp_8", 4, 2)))
                                .inputShape(2))
                    .withBatch(10));
    assertThat(mlp).isNotEmpty();
    assertRefused(
        any, new TextReader(3, 4), "SampleReader.read: values must be 3 of each row (got 2)");
    assertRefused(
        any, new TextReader(1, 4), "SampleReader.read: values must be 1 of each row (got more)");
    assertRefused(
        any,
        new TextReader(2, 3),
        "SampleReader.label: class must be between 0 and 2, or UNLABELED (got 3)");
    assertRefused(
        any, new TextReader(2, 0), "SampleReader.classes: number must be at least 1 (got 0)");
    assertRefused(any, new TextReader(0, 4), "SampleReader.inputShape: shape must be [channels");
  }

  private void assertRefused(JavaRDD<String> rows, TextReader reader, String message) {
    assertThatThrownBy(() -> distillation(1).train(rows, SparkJob.of(reader, rank -> new byte[0])))
        .isInstanceOf(RetortException.class)
        .hasMessageContaining(message);
  }

  /**
   * Reads "label;number" as a label and two values.
   *
   * @param features what it says that it reads
   * @param classes how many it says that there are
   */
  private record TextReader(int features, int classes) implements SampleReader<String> {
    @Override
    public long[] inputShape() {
      return new long[] {features};
    }

    @Override
    public void read(String row, FloatBuffer values) {
      float value = Float.parseFloat(row.split(";")[1]);
      values.put(value).put(1 - value);
    }

    @Override
    public int label(String row) {
      return Integer.parseInt(row.split(";")[0]);
    }
  }

  @Test
  void train_rowsThatChange_areRefused() {
    JavaRDD<Integer> changing =
        JavaSparkContext.fromSparkContext(spark.sparkContext())
            .parallelize(List.of(1, 2, 3, 4, 5, 6, 7, 8), 2)
            .mapPartitions(
                partition -> {
                  // Fewer when they are counted than when they are dealt.
                  List<Integer> all = new ArrayList<>();
                  partition.forEachRemaining(all::add);
                  return COMPUTED.incrementAndGet() == 1
                      ? all.subList(1, all.size()).iterator()
                      : all.iterator();
                });
    SampleReader<Integer> reader = new NumberReader();
    assertThatThrownBy(() -> distillation(1).train(changing, SparkJob.of(reader, r -> new byte[0])))
        .hasMessageContaining(
            "SparkDistillation.train: rows must be the same whenever Spark computes them (got row ");
  }

  private static final AtomicInteger COMPUTED = new AtomicInteger();

  /** Reads a number as a feature. */
  private record NumberReader() implements SampleReader<Integer> {
    @Override
    public long[] inputShape() {
      return new long[] {1};
    }

    @Override
    public int classes() {
      return 1;
    }

    @Override
    public void read(Integer row, FloatBuffer values) {
      values.put(row);
    }

    @Override
    public int label(Integer row) {
      return 0;
    }
  }

  @Test
  void trainer_ofAJob_isCheckedAndEndsWithTheTask() {
    assertThatThrownBy(
            () ->
                distillation(1)
                    .train(
                        rows,
                        SparkJob.of(
                            DigitsJob.IMAGES,
                            rank -> {
                              rank.keep(rank.folder().resolve("../rows"));
                              return new byte[0];
                            })))
        .hasMessageContaining("SparkRank.keep: file must be one in ");
    assertThatThrownBy(
            () -> distillation(1).train(rows, SparkJob.of(DigitsJob.IMAGES, rank -> null)))
        .hasMessageContaining("SparkJob.train: state dict must be returned (got null)");
  }

  @Test
  void train_tooFewSlots_failsAtOnce() {
    assertThatThrownBy(() -> distillation(3).train(rows, job("none", DigitsJob.Fault.NONE)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "SparkDistillation.train: cluster must have at least 3 slots, one for each rank (got 2)");
  }

  @Test
  void train_badRows_tellsWhatIsWrong() {
    ImageColumns wrong = ImageColumns.of("image", 3, 8, 8).withLabel("label", 10);
    assertThatThrownBy(() -> distillation(2).train(rows, SparkJob.of(wrong, rank -> new byte[0])))
        .isInstanceOf(RetortException.class)
        .hasMessage(
            "SparkDistillation.train: all ranks must succeed (got"
                + " java.lang.IllegalArgumentException: ImageColumns: column image must have 192"
                + " values, [3, 8, 8] (got 64))");
    ImageColumns few = ImageColumns.of("image", 1, 8, 8).withLabel("label", 3);
    assertThatThrownBy(() -> distillation(2).train(rows, SparkJob.of(few, rank -> new byte[0])))
        .hasMessageContaining("ImageColumns: column label must have classes from 0 to 2, or null");
    assertThatThrownBy(() -> distillation(2).train(rows.limit(1), job("one", DigitsJob.Fault.NONE)))
        .isInstanceOf(RetortException.class)
        .hasMessageContaining("DatasetBatches.Builder.build: size must be between 1 and 1");
  }

  @Test
  void train_cancelledJob_endsAllRanks() throws Exception {
    Thread canceller =
        new Thread(
            () -> {
              while (!DigitsJob.STARTS.containsKey("cancelled")) {
                Thread.onSpinWait();
              }
              spark.sparkContext().cancelAllJobs();
            });
    canceller.start();
    DigitsJob endless =
        new DigitsJob("cancelled", teacher, student, DigitsJob.Fault.NONE, 1, 1_000_000);
    assertThatThrownBy(() -> distillation(2).train(rows, endless))
        .isInstanceOf(RetortException.class)
        .hasMessageContaining("cancelled");
    canceller.join();
    // Both slots are free again.
    assertThat(distillation(2).train(rows, job("after", DigitsJob.Fault.NONE))).isNotEmpty();
  }
}
