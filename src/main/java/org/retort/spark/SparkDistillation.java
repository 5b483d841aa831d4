package org.retort.spark;

import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.util.SerializableConfiguration;
import org.jspecify.annotations.Nullable;
import org.retort.RetortException;
import org.retort.internal.Arguments;
import scala.Option;
import scala.Tuple2;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Training on the executors of a Spark cluster. Each rank is a task of a barrier stage, whose tasks
 * Spark starts together; ranks then exchange gradients among themselves, see {@link
 * org.retort.distributed.Ranks}.
 *
 * <pre>{@code
 * byte[] student =
 *     SparkDistillation.of(spark.sparkContext())
 *         .ranks(4)
 *         .checkpoints("hdfs:///models/digits")
 *         .train(rows, job);
 * }</pre>
 *
 * <p>Rows are assigned to ranks by row number, so that all have equally many, and each rank writes
 * its rows to its disk once. The order of the rows must be the same each time Spark computes them,
 * as it is when they are read from files: otherwise, an interrupted training is not resumed.
 *
 * <p>If one task fails, all of them end and Spark retries the stage, up to {@code
 * spark.stage.maxConsecutiveAttempts} attempts in all. A retry resumes from the last checkpoint.
 *
 * <p>A rank uses as many threads as its task has cores. On a cluster with {@code
 * spark.executor.cores}, each rank gets its own executor with all its cores; otherwise, it gets
 * {@code spark.task.cpus} cores. Dynamic allocation of executors must be off.
 *
 * <p>Immutable: each method returns a changed copy.
 */
public final class SparkDistillation {
  private static final String NAME = "SparkDistillation";
  private static final String TRAIN = NAME + ".train";
  private static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(10);

  private final SparkContext context;
  private final int ranks;
  private final @Nullable String checkpoints;
  private final Duration timeout;
  private final Consumer<? super SparkEpoch> onEpoch;

  private SparkDistillation(
      SparkContext context,
      int ranks,
      @Nullable String checkpoints,
      Duration timeout,
      Consumer<? super SparkEpoch> onEpoch) {
    this.context = context;
    this.ranks = ranks;
    this.checkpoints = checkpoints;
    this.timeout = timeout;
    this.onEpoch = onEpoch;
  }

  /**
   * Creates a training on a cluster.
   *
   * @param context of the application, for example {@code spark.sparkContext()}
   * @return a training with one rank, no checkpoints, and a timeout of 10 minutes
   * @throws IllegalArgumentException if it is null
   */
  public static SparkDistillation of(SparkContext context) {
    Arguments.notNull(context, NAME + ".of", "context");
    return new SparkDistillation(context, 1, null, DEFAULT_TIMEOUT, epoch -> {});
  }

  /**
   * Sets the number of ranks; 1 by default.
   *
   * @param ranks at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is below 1
   */
  public SparkDistillation ranks(int ranks) {
    Arguments.atLeast(ranks, 1, NAME + ".ranks", "ranks");
    return new SparkDistillation(context, ranks, checkpoints, timeout, onEpoch);
  }

  /**
   * Keeps checkpoints where all executors can find them, so that a stage that Spark restarts, or a
   * later application, resumes from the last one. By default, training starts from the beginning.
   *
   * @param uri a folder of any file system that Hadoop supports, for example {@code
   *     hdfs:///models/digits}, created if it does not exist
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public SparkDistillation checkpoints(String uri) {
    Arguments.notNull(uri, NAME + ".checkpoints", "uri");
    return new SparkDistillation(context, ranks, uri, timeout, onEpoch);
  }

  /**
   * Sets how long a rank waits for another one; 10 minutes by default. Anything one rank does while
   * the others wait, such as an evaluation, must take less time.
   *
   * @param timeout from 1 ms to 1 day
   * @return a changed copy
   * @throws IllegalArgumentException if it is null or out of range
   */
  public SparkDistillation timeout(Duration timeout) {
    Arguments.notNull(timeout, NAME + ".timeout", "timeout");
    Arguments.between(
        timeout.toMillis(), 1, Duration.ofDays(1).toMillis(), NAME + ".timeout", "milliseconds");
    return new SparkDistillation(context, ranks, checkpoints, timeout, onEpoch);
  }

  /**
   * Calls a receiver on the driver after each epoch; the driver logs epochs in any case. Epochs
   * arrive with the executors' heartbeats, so up to {@code spark.executor.heartbeatInterval} late,
   * and the last ones of a lost executor may not arrive.
   *
   * @param receiver called on a thread of Spark or of {@link #train}; what it throws is logged
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public SparkDistillation onEpoch(Consumer<? super SparkEpoch> receiver) {
    Arguments.notNull(receiver, NAME + ".onEpoch", "receiver");
    return new SparkDistillation(context, ranks, checkpoints, timeout, receiver);
  }

  /**
   * Trains on the rows of a table, and waits for completion.
   *
   * @param rows the rows; cache them if they take long to compute
   * @param job what each rank does
   * @return the student's state dict, for {@link org.retort.models.Network#loadStateDict(byte[])}
   * @throws IllegalArgumentException if an argument is null
   * @throws IllegalStateException if executors are allocated dynamically, or there are fewer slots
   *     than ranks
   * @throws org.retort.FileException if the checkpoint folder can't be created
   * @throws RetortException if the training failed in every attempt that Spark allows
   */
  public byte[] train(Dataset<Row> rows, SparkJob<Row> job) {
    Arguments.notNull(rows, TRAIN, "rows");
    return train(rows.toJavaRDD(), job);
  }

  /**
   * Trains on rows of any type, and waits for completion.
   *
   * @param rows the rows; cache them if they take long to compute
   * @param job what each rank does
   * @param <T> the type of the rows
   * @return the student's state dict, for {@link org.retort.models.Network#loadStateDict(byte[])}
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws RetortException as above
   */
  public <T> byte[] train(JavaRDD<T> rows, SparkJob<T> job) {
    Arguments.notNull(rows, TRAIN, "rows");
    Arguments.notNull(job, TRAIN, "job");
    if (checkpoints != null) {
      SharedFolder.make(checkpoints, context.hadoopConfiguration());
    }
    Cluster cluster = new Cluster(context);
    cluster.requireStaticAllocation();
    try {
      cluster.requireSlots(ranks);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw new RetortException(TRAIN + ": interrupted", stopped);
    }
    ProgressAccumulator progress = new ProgressAccumulator();
    progress.register(context, Option.apply("retort"), true); // also for tasks that fail
    ProgressListener listener = new ProgressListener(progress.id(), onEpoch);
    context.addSparkListener(listener);
    try {
      List<byte[]> students = run(rows, job, cluster, progress);
      listener.tell(progress.value());
      return students.get(0);
    } finally {
      context.removeSparkListener(listener);
    }
  }

  private <T> List<byte[]> run(
      JavaRDD<T> rows, SparkJob<T> job, Cluster cluster, ProgressAccumulator progress) {
    JavaPairRDD<Long, T> shards =
        rows.zipWithIndex()
            .mapToPair(row -> new Tuple2<>(row._2(), row._1()))
            .repartitionAndSortWithinPartitions(new ShardPartitioner(ranks));
    RankTask<T> task =
        new RankTask<>(
            job,
            checkpoints,
            new SerializableConfiguration(context.hadoopConfiguration()),
            timeout,
            progress);
    ClassTag<byte[]> type = ClassTag$.MODULE$.apply(byte[].class);
    RDD<byte[]> trained =
        cluster.withCores(shards.rdd().barrier().mapPartitions(task, false, type));
    String tag = "retort-" + UUID.randomUUID();
    context.addJobTag(tag);
    try {
      // Spark restarts a barrier stage only if another stage follows.
      return trained.repartition(1, null).toJavaRDD().collect();
    } catch (Exception failure) {
      context.cancelJobsWithTag(tag);
      if (failure instanceof InterruptedException) {
        Thread.currentThread().interrupt();
      }
      throw new RetortException(
          TRAIN + ": all ranks must succeed (got " + reason(failure) + ")", failure);
    } finally {
      context.removeJobTag(tag);
    }
  }

  /** Returns what the first failed rank threw, on one line. */
  private static String reason(Throwable failure) {
    String message = failure.getMessage() == null ? failure.toString() : failure.getMessage();
    return message
        .lines()
        .filter(line -> line.matches("[\\w.$]+(Exception|Error)(: .*)?"))
        .findFirst()
        .orElseGet(() -> message.lines().findFirst().orElse(""));
  }
}
