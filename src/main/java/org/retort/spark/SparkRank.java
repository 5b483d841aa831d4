package org.retort.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
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
 * One rank of a {@link SparkDistillation}: a task with a part of the rows. For the thread of the
 * task.
 */
public final class SparkRank {
  private static final String NAME = "SparkRank";

  private final BarrierTaskContext task;
  private final Ranks ranks;
  private final Dataset data;
  private final Path folder;
  private final ProgressAccumulator progress;
  private final @Nullable Uploads uploads; // of rank 0, if there is a shared folder
  private final Deque<AutoCloseable> used = new ArrayDeque<>();

  SparkRank(
      BarrierTaskContext task,
      Ranks ranks,
      Dataset data,
      Path folder,
      ProgressAccumulator progress,
      @Nullable Uploads uploads) {
    this.task = task;
    this.ranks = ranks;
    this.data = data;
    this.folder = folder;
    this.progress = progress;
    this.uploads = uploads;
  }

  /**
   * All ranks of this training.
   *
   * @return the ranks, for {@link org.retort.train.TrainingStepBuilder#ranks}; closed by Retort
   */
  public Ranks ranks() {
    return ranks;
  }

  /**
   * The number of times that Spark has started the training before.
   *
   * @return 0 at first
   */
  public int attempt() {
    return task.stageAttemptNumber();
  }

  /**
   * The samples of all ranks, numbered from 0 as Spark's {@code zipWithIndex} does. All labels can
   * be read, but values only of the samples whose number modulo the number of ranks is this rank:
   * those lie on this machine's disk.
   *
   * @return the data set
   */
  public Dataset data() {
    return data;
  }

  /**
   * Starts batches of {@link #data}, of which each rank gets its part: {@link
   * DatasetBatches.Builder#size} counts the samples of all ranks together.
   *
   * @return a new builder, whose {@link DatasetBatches.Builder#shard} is set
   */
  public DatasetBatches.Builder batches() {
    return DatasetBatches.builder(data).shard(ranks.rank(), ranks.size());
  }

  /**
   * The folder of this task on this machine, which is deleted at its end. On rank 0 it begins with
   * the files that an earlier attempt has kept.
   *
   * @return a folder that is there
   */
  public Path folder() {
    return folder;
  }

  /**
   * Starts a training that keeps checkpoints, resumes from the last one, and reports its progress
   * to the driver. With {@link SparkDistillation#checkpoints}, they are kept where a later attempt
   * finds them.
   *
   * @param name of this training, different from others of the same job; also that of its folder in
   *     {@link #folder}
   * @param step that trains, with these {@link #ranks}
   * @param batches of this rank, for example of {@link #batches}
   * @return a new builder, which needs its epochs
   * @throws IllegalArgumentException if an argument is null or the name is not one of a file
   */
  public Trainer.Builder trainer(String name, TrainingStep step, Batches batches) {
    Arguments.check(
        name != null && name.matches("[\\w-][\\w.-]*"),
        "%s.trainer: name must be of letters, digits, '.', '_' and '-' (got %s)",
        NAME,
        name);
    Path own = folder.resolve(name);
    return Trainer.builder(step, batches)
        .keep(own)
        .resume()
        .listener(new RankListener(name, task, own, ranks.isFirst() ? progress : null, uploads));
  }

  /**
   * Keeps a file where a later attempt finds it, in the same place of its {@link #folder}. Does
   * nothing on other ranks than 0, or without {@link SparkDistillation#checkpoints}.
   *
   * @param file in {@link #folder}, which is replaced, not changed, if it is written again
   * @throws IllegalArgumentException if it is not there
   * @throws org.retort.FileException if one could not be kept
   */
  public void keep(Path file) {
    Arguments.check(
        file != null && file.startsWith(folder) && Files.exists(file),
        "%s.keep: file must be one in %s (got %s)",
        NAME,
        folder,
        file);
    if (uploads != null) {
      uploads.keepChanged(file);
    }
  }

  /**
   * Gives the bytes of a file in {@link #folder} on rank 0 to all ranks, which all call this.
   *
   * @param name relative to the folder
   * @return the bytes; empty if rank 0 has no such file
   * @throws org.retort.RankException if a rank is gone or has failed
   */
  public Optional<byte[]> read(String name) {
    Path file = folder.resolve(Arguments.notNull(name, NAME + ".read", "name"));
    if (!ranks.any(ranks.isFirst() && Files.exists(file))) {
      return Optional.empty();
    }
    try {
      byte[] own = ranks.isFirst() ? Files.readAllBytes(file) : new byte[0];
      return Optional.of(ranks.bytesOfFirst(own));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /**
   * Closes something at the end of the task, for example a network.
   *
   * @param resource what to close; the last one first
   * @param <C> its type
   * @return the same
   * @throws IllegalArgumentException if it is null
   */
  public <C extends AutoCloseable> C use(C resource) {
    used.push(Arguments.notNull(resource, NAME + ".use", "resource"));
    return resource;
  }

  /** Closes what was used. */
  void close() throws Exception {
    Exception failure = null;
    for (AutoCloseable resource : used) {
      try {
        resource.close();
      } catch (Exception error) {
        failure = error;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
