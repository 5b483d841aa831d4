package org.retort.spark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import org.apache.spark.BarrierTaskContext;
import org.jspecify.annotations.Nullable;
import org.retort.data.Batches;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.distributed.Ranks;
import org.retort.internal.Arguments;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

/**
 * One rank of a {@link SparkDistillation}: a task with a part of the rows. For use on the task's
 * thread.
 */
public final class SparkRank {
  private static final String NAME = "SparkRank";

  private final BarrierTaskContext task;
  private final Ranks ranks;
  private final Dataset data;
  private final Path folder;
  private final ProgressAccumulator progress;
  private final boolean keeps;
  private final @Nullable Uploads uploads; // of rank 0, if there is a shared folder
  private final Deque<AutoCloseable> used = new ArrayDeque<>();
  private final Set<String> trainings = new HashSet<>();

  SparkRank(
      BarrierTaskContext task,
      Ranks ranks,
      Dataset data,
      Path folder,
      ProgressAccumulator progress,
      boolean keeps,
      @Nullable Uploads uploads) {
    this.task = task;
    this.ranks = ranks;
    this.data = data;
    this.folder = folder;
    this.progress = progress;
    this.keeps = keeps;
    this.uploads = uploads;
  }

  /**
   * Returns all ranks of this training.
   *
   * @return the ranks, for {@link org.retort.train.TrainingStepBuilder#ranks}; closed by Retort
   */
  public Ranks ranks() {
    return ranks;
  }

  /**
   * Returns the number of times that Spark has started the training before.
   *
   * @return 0 for the first attempt
   */
  public int attempt() {
    return task.stageAttemptNumber();
  }

  /**
   * Returns the samples of all ranks, numbered from 0 as Spark's {@code zipWithIndex} does. All
   * labels can be read, but values only of samples whose number modulo the number of ranks is this
   * rank: those are on this machine's disk.
   *
   * @return the data set
   */
  public Dataset data() {
    return data;
  }

  /**
   * Starts building batches of {@link #data}, of which each rank gets its part: {@link
   * DatasetBatches.Builder#size} counts the samples of all ranks together.
   *
   * @return a new builder, whose {@link DatasetBatches.Builder#shard} is set
   */
  public DatasetBatches.Builder batches() {
    return DatasetBatches.builder(data).shard(ranks.rank(), ranks.size());
  }

  /**
   * Returns this task's folder on this machine, which is deleted when the task ends. On rank 0, it
   * initially contains the files that an earlier attempt kept.
   *
   * @return an existing folder
   */
  public Path folder() {
    return folder;
  }

  /**
   * Starts building a trainer that reports its progress to the driver and, with {@link
   * SparkDistillation#checkpoints}, keeps checkpoints where a later attempt finds them, and resumes
   * from the last one. If the task is killed, training ends with an exception.
   *
   * @param name the name of this training, unique within the job; also that of its folder in {@link
   *     #folder}
   * @param step the step that trains, with these {@link #ranks}
   * @param batches the batches of this rank, for example from {@link #batches}
   * @return a new builder, which still needs its epochs
   * @throws IllegalArgumentException if an argument is null, or the name is not a file name or was
   *     given before
   */
  public Trainer.Builder trainer(String name, TrainingStep step, Batches batches) {
    Arguments.check(
        name != null && name.matches("[\\w-][\\w.-]*"),
        "%s.trainer: name must be of letters, digits, '.', '_' and '-' (got %s)",
        NAME,
        name);
    Arguments.check(trainings.add(name), "%s.trainer: name must be new (got %s twice)", NAME, name);
    Path own = folder.resolve(name);
    Trainer.Builder trainer =
        Trainer.builder(step, batches)
            .listener(
                new RankListener(
                    name, task, ranks, own, ranks.isFirst() ? progress : null, uploads));
    return keeps ? trainer.keep(own).resume() : trainer;
  }

  /**
   * Keeps a file where a later attempt finds it, at the same place in its {@link #folder}:
   * asynchronously, but before the job ends. Does nothing on ranks other than 0, or without {@link
   * SparkDistillation#checkpoints}.
   *
   * @param file a file in {@link #folder}; to write it again, replace it instead of changing it
   * @throws IllegalArgumentException if there is no such file
   * @throws org.retort.FileException if an earlier file could not be kept
   */
  public void keep(Path file) {
    Path normal = file == null ? null : file.normalize();
    Arguments.check(
        normal != null && normal.startsWith(folder) && Files.isRegularFile(normal),
        "%s.keep: file must be one in %s (got %s)",
        NAME,
        folder,
        file);
    if (uploads != null) {
      uploads.keepChanged(normal);
    }
  }

  /**
   * Registers a resource, for example a network, to be closed when the task ends.
   *
   * @param resource what to close; the last one is closed first
   * @param <C> its type
   * @return the resource
   * @throws IllegalArgumentException if it is null
   */
  public <C extends AutoCloseable> C closeAtEnd(C resource) {
    used.push(Arguments.notNull(resource, NAME + ".closeAtEnd", "resource"));
    return resource;
  }

  /** Closes the registered resources. */
  void close() throws Exception {
    Exception failure = null;
    for (AutoCloseable resource : used) {
      try {
        resource.close();
      } catch (Exception error) {
        if (failure != null) {
          error.addSuppressed(failure);
        }
        failure = error;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
