package org.retort.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.retort.RankException;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksOptions;

/** Several ranks as threads of one process. */
public final class RankThreads {
  public static final String ADDRESS = "127.0.0.1";

  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  private RankThreads() {}

  /**
   * What a rank does.
   *
   * @param <T> what it returns
   */
  @FunctionalInterface
  public interface Rank<T> {
    /** Does it; the ranks are closed then. */
    T run(Ranks ranks) throws Exception;
  }

  /** Returns a port that is free now. */
  public static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(ADDRESS))) {
      return socket.getLocalPort();
    }
  }

  /** Returns the variables by which a process of one thread joins others. */
  public static Map<String, String> environment(int rank, int size, int port) {
    return Map.of(
        "RANK", Integer.toString(rank),
        "WORLD_SIZE", Integer.toString(size),
        "OMP_NUM_THREADS", "1",
        "MASTER_ADDR", ADDRESS,
        "MASTER_PORT", Integer.toString(port));
  }

  /** Returns the options of all ranks of a new group. */
  public static List<RanksOptions> options(int size) throws IOException {
    int port = freePort();
    return IntStream.range(0, size)
        .mapToObj(rank -> RanksOptions.of(rank, size, ADDRESS))
        .map(options -> options.withPort(port).withTimeout(TIMEOUT))
        .toList();
  }

  /**
   * Runs the same as each rank, and returns what they return, in their order. Ranks are closed once
   * all have returned. If one of them throws, its ranks are closed at once, and this throws the
   * same, but rather no {@link RankException}, which may be its echo.
   */
  @SuppressWarnings("try") // closed early
  public static <T> List<T> run(int size, Rank<T> rank) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(size);
    try {
      CountDownLatch all = new CountDownLatch(size);
      List<Future<T>> running = new ArrayList<>();
      for (RanksOptions options : options(size)) {
        running.add(
            threads.submit(
                () -> {
                  try (Ranks ranks = Ranks.join(options)) {
                    T result;
                    try {
                      result = rank.run(ranks);
                    } catch (Throwable failure) {
                      ranks.close(); // before the others go on
                      throw failure;
                    } finally {
                      all.countDown();
                    }
                    all.await(); // rank 0 keeps what they tell each other
                    return result;
                  }
                }));
      }
      List<T> results = new ArrayList<>();
      ExecutionException failure = null;
      for (Future<T> each : running) {
        try {
          results.add(each.get());
        } catch (ExecutionException error) {
          if (failure == null || failure.getCause() instanceof RankException) {
            failure = error;
          }
        }
      }
      if (failure != null) {
        throw failure;
      }
      return results;
    } finally {
      threads.shutdownNow();
    }
  }
}
