package org.retort.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.stream.Stream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.Utils;
import org.jspecify.annotations.Nullable;
import org.retort.Retort;
import org.retort.data.Dataset;
import org.retort.distributed.Ranks;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;

/**
 * The work of a task of the barrier stage: writes its rows to disk, meets the other ranks, and
 * trains. Returns the student's state dict on rank 0 and nothing on the others.
 *
 * @param <T> the type of the rows
 */
final class RankTask<T> extends AbstractFunction1<Iterator<Tuple2<Long, T>>, Iterator<byte[]>>
    implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(SparkDistillation.class);

  private final SparkJob<T> job;
  private final @Nullable String checkpoints;
  private final SerializableConfiguration hadoop;
  private final Duration timeout;
  private final ProgressAccumulator progress;

  RankTask(
      SparkJob<T> job,
      @Nullable String checkpoints,
      SerializableConfiguration hadoop,
      Duration timeout,
      ProgressAccumulator progress) {
    this.job = job;
    this.checkpoints = checkpoints;
    this.hadoop = hadoop;
    this.timeout = timeout;
    this.progress = progress;
  }

  @Override
  public Iterator<byte[]> apply(Iterator<Tuple2<Long, T>> rows) {
    try {
      byte[] student = run(BarrierTaskContext.get(), rows);
      return student == null ? scala.collection.Iterator$.MODULE$.empty() : one(student);
    } catch (RuntimeException failure) {
      throw failure;
    } catch (Exception failure) {
      throw new IllegalStateException(failure.toString(), failure);
    }
  }

  private static Iterator<byte[]> one(byte[] bytes) {
    return scala.collection.Iterator$.MODULE$.single(bytes);
  }

  private byte @Nullable [] run(BarrierTaskContext task, Iterator<Tuple2<Long, T>> rows)
      throws Exception {
    Retort.threads(task.cpus());
    Path folder =
        Files.createTempDirectory(
            Path.of(Utils.getLocalDir(SparkEnv.get().conf())), "retort-rank-");
    try (ShardFile shard = write(rows, task, folder.resolve("rows"))) {
      Path files = Files.createDirectory(folder.resolve("files"));
      // Before the ranks meet: how long this takes does not count against their timeout.
      SharedFolder shared = task.partitionId() == 0 ? shared(files) : null;
      Dataset data = together(shard, task);
      try (Ranks ranks = RankMeeting.join(task, timeout)) {
        return train(task, ranks, data, files, shared);
      }
    } finally {
      delete(folder);
    }
  }

  private @Nullable SharedFolder shared(Path files) {
    if (checkpoints == null) {
      return null;
    }
    SharedFolder shared = SharedFolder.open(checkpoints, hadoop.value());
    shared.copyTo(files);
    return shared;
  }

  private ShardFile write(Iterator<Tuple2<Long, T>> rows, BarrierTaskContext task, Path file)
      throws IOException {
    Samples<T> samples = new Samples<>(job.reader());
    FloatBuffer values = FloatBuffer.allocate(samples.values());
    ShardFile shard = new ShardFile(file, samples.values());
    try {
      while (rows.hasNext()) {
        Tuple2<Long, T> row = rows.next();
        long number = task.partitionId() + (long) task.getTaskInfos().length * shard.count();
        if (row._1() != number) {
          throw new IllegalStateException(
              "SparkDistillation.train: rows must be the same whenever Spark computes them (got row "
                  + row._1()
                  + " in the place of row "
                  + number
                  + ")");
        }
        samples.read(row._2(), values.clear());
        shard.add(values, samples.label(row._2()));
      }
      shard.finish();
      return shard;
    } catch (Throwable failure) { // Spark throws what Java does not declare
      shard.close();
      throw failure;
    }
  }

  private Dataset together(ShardFile own, BarrierTaskContext task) {
    ShardSummary[] all =
        Stream.of(task.allGather(new ShardSummary(own.labels(), own.checksum()).text()))
            .map(ShardSummary::of)
            .toArray(ShardSummary[]::new);
    return new ShardDataset(
        own,
        task.partitionId(),
        Stream.of(all).map(ShardSummary::labels).toArray(int[][]::new),
        Stream.of(all).mapToLong(ShardSummary::checksum).toArray(),
        job.reader().classes(),
        job.reader().inputShape());
  }

  private byte @Nullable [] train(
      BarrierTaskContext task,
      Ranks ranks,
      Dataset data,
      Path folder,
      @Nullable SharedFolder shared)
      throws Exception {
    try (Uploads uploads = shared == null ? null : new Uploads(folder, shared)) {
      byte[] student = trainOrFail(task, ranks, data, folder, uploads);
      if (uploads != null) {
        uploads.await();
      }
      return ranks.isFirst() ? student : null;
    }
  }

  private byte[] trainOrFail(
      BarrierTaskContext task, Ranks ranks, Dataset data, Path folder, @Nullable Uploads uploads)
      throws Exception {
    try {
      byte[] student =
          train(new SparkRank(task, ranks, data, folder, progress, checkpoints != null, uploads));
      ranks.any(false); // none has failed
      return student;
    } catch (Throwable failure) {
      try {
        // The others fail at once, before Spark ends their tasks.
        ranks.fail(failure.toString().lines().findFirst().orElse(""));
      } catch (RuntimeException another) {
        failure.addSuppressed(another);
      }
      throw failure;
    }
  }

  private byte[] train(SparkRank rank) throws Exception {
    byte[] student;
    try {
      student = job.train(rank);
    } catch (Throwable failure) {
      try {
        rank.close();
      } catch (Exception another) {
        failure.addSuppressed(another);
      }
      throw failure;
    }
    rank.close();
    if (student == null) {
      throw new IllegalStateException("SparkJob.train: state dict must be returned (got null)");
    }
    return student;
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
        Files.delete(file);
      }
    } catch (IOException | UncheckedIOException failure) {
      LOG.warn("{} could not be deleted", folder, failure);
    }
  }
}
