package org.retort.spark;

import java.io.IOException;
import java.io.Serializable;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.util.SerializableConfiguration;
import org.jspecify.annotations.Nullable;
import org.retort.Retort;
import org.retort.data.Dataset;
import org.retort.distributed.Ranks;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;

/**
 * What a task of the barrier stage does: writes its rows to the disk, meets the other ranks, and
 * trains. Returns the student's state dict on rank 0 and nothing on the others.
 *
 * @param <T> the type of the rows
 */
final class RankTask<T> extends AbstractFunction1<Iterator<Tuple2<Long, T>>, Iterator<byte[]>>
    implements Serializable {
  private static final long serialVersionUID = 1L;

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
    Path folder = Files.createTempDirectory(localFolder(), "retort-rank-");
    try (ShardFile shard = write(rows, task, folder)) {
      Dataset data = together(shard, task);
      try (Ranks ranks = RankMeeting.join(task, timeout)) {
        return train(task, ranks, data, Files.createDirectory(folder.resolve("files")));
      }
    } finally {
      delete(folder);
    }
  }

  /** Returns where Spark keeps what is too much for the memory. */
  private static Path localFolder() {
    String folders =
        Optional.ofNullable(System.getenv("LOCAL_DIRS")) // of YARN
            .or(() -> Optional.ofNullable(System.getenv("SPARK_LOCAL_DIRS")))
            .orElseGet(
                () ->
                    SparkEnv.get()
                        .conf()
                        .get("spark.local.dir", System.getProperty("java.io.tmpdir")));
    return Path.of(folders.split(",")[0].trim());
  }

  private ShardFile write(Iterator<Tuple2<Long, T>> rows, BarrierTaskContext task, Path folder)
      throws IOException {
    SampleReader<T> reader = job.reader();
    long[] shape = reader.inputShape();
    FloatBuffer values =
        FloatBuffer.allocate(Math.toIntExact(LongStream.of(shape).reduce(1, Math::multiplyExact)));
    ShardFile shard = new ShardFile(folder.resolve("rows"), values.capacity());
    try {
      while (rows.hasNext()) {
        T row = rows.next()._2();
        reader.read(row, values.clear());
        if (values.hasRemaining()) {
          throw new IllegalArgumentException(
              "SampleReader.read: values must be %d of each row (got %d)"
                  .formatted(values.capacity(), values.position()));
        }
        shard.add(values, reader.label(row));
      }
      shard.finish();
      return shard;
    } catch (RuntimeException | IOException failure) {
      shard.close();
      throw failure;
    }
  }

  private Dataset together(ShardFile own, BarrierTaskContext task) {
    Labels[] all =
        Stream.of(task.allGather(new Labels(own.labels(), own.checksum()).text()))
            .map(Labels::of)
            .toArray(Labels[]::new);
    return new ShardDataset(
        own,
        task.partitionId(),
        Stream.of(all).map(Labels::labels).toArray(int[][]::new),
        Stream.of(all).mapToLong(Labels::checksum).toArray(),
        job.reader().classes(),
        job.reader().inputShape());
  }

  private byte @Nullable [] train(BarrierTaskContext task, Ranks ranks, Dataset data, Path folder)
      throws Exception {
    try (Uploads uploads = ranks.isFirst() ? uploads(folder) : null) {
      byte[] student = train(new SparkRank(task, ranks, data, folder, progress, uploads));
      if (uploads != null) {
        uploads.await();
      }
      ranks.any(false); // none has failed
      return ranks.isFirst() ? student : null;
    } catch (Throwable failure) {
      // The others fail at once, before Spark ends their tasks.
      ranks.fail(failure.toString().lines().findFirst().orElse(""));
      throw failure;
    }
  }

  private byte[] train(SparkRank rank) throws Exception {
    try {
      byte[] student = job.train(rank);
      if (student == null) {
        throw new IllegalStateException("SparkJob.train: state dict must be returned (got null)");
      }
      return student;
    } finally {
      rank.close();
    }
  }

  private @Nullable Uploads uploads(Path folder) {
    if (checkpoints == null) {
      return null;
    }
    SharedFolder shared = SharedFolder.open(checkpoints, hadoop.value());
    shared.copyTo(folder);
    return new Uploads(folder, shared);
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
        Files.delete(file);
      }
    }
  }
}
