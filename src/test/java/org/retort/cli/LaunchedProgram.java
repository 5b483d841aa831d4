package org.retort.cli;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;

/** Ranks that train nothing, and what launches them. */
final class LaunchedProgram {
  private static final Path FOLDER = Path.of("");
  private static final int RANK =
      Integer.parseInt(Optional.ofNullable(System.getenv("RANK")).orElse("-1"));

  private LaunchedProgram() {}

  /** Launches ranks: their number, where their logs go or {@code -}, what they do. */
  public static void main(String... args) throws Exception {
    Launcher launcher =
        new Launcher(
            Rank.class,
            List.of(args[2]),
            Integer.parseInt(args[0]),
            Optional.empty(),
            args[1].equals("-") ? Optional.empty() : Optional.of(Path.of(args[1])),
            new LaunchedRank.Settings("launch --test", Duration.ofSeconds(7), false),
            line -> System.err.println("launcher: " + line));
    System.exit(launcher.run());
  }

  /** Returns a file that a rank has locked while it lives. */
  static Path lock(Path folder, int rank) {
    return folder.resolve("lock-" + rank);
  }

  /** Returns a file that is there once a rank waits. */
  static Path ready(Path folder, int rank) {
    return folder.resolve("ready-" + rank);
  }

  /** Returns a file that a rank writes in the end. */
  static Path kept(Path folder, int rank) {
    return folder.resolve("kept-" + rank);
  }

  /** One rank. */
  static final class Rank {
    /** Kept: a channel that nobody refers to may be closed at any time, and its lock be lost. */
    private static FileLock lock;

    private Rank() {}

    public static void main(String... args) throws Exception {
      LaunchedRank.watch();
      lock =
          FileChannel.open(lock(FOLDER, RANK), StandardOpenOption.CREATE, StandardOpenOption.WRITE)
              .lock();
      switch (args[0]) {
        case "tell" -> tell();
        case "one-fails" -> {
          if (RANK == 1) {
            Stream.iterate(0, i -> i + 1).limit(30).forEach(i -> System.err.println("line " + i));
            System.exit(7);
          }
          await();
        }
        case "one-makes-all-fail" -> {
          if (RANK == 1) {
            awaitEndOf(0);
            System.exit(9);
          }
          System.exit(Main.OF_ANOTHER_RANK);
        }
        case "all-fail" -> System.exit(Main.OF_ANOTHER_RANK);
        case "first-fails" -> {
          if (RANK == 0) {
            System.exit(5);
          }
          await();
        }
        default -> await();
      }
    }

    private static void tell() {
      System.out.println("[Gloo] Rank " + RANK + " is connected to 1 peer ranks.");
      for (String name :
          List.of(
              "LOCAL_RANK",
              "WORLD_SIZE",
              "LOCAL_WORLD_SIZE",
              "MASTER_ADDR",
              "OMP_NUM_THREADS",
              "JAVA_TOOL_OPTIONS")) {
        System.out.println(name + "=" + System.getenv(name));
      }
      System.out.println("asserts " + LaunchedProgram.class.desiredAssertionStatus());
      System.out.println("told " + System.getProperty("told") + System.getProperty("picked"));
      System.out.println("launched by " + LaunchedRank.command().orElseThrow());
      System.out.println("timeout " + LaunchedRank.timeout().orElseThrow().toSeconds());
      System.err.println("error of " + RANK);
    }

    private static void awaitEndOf(int rank) throws IOException, InterruptedException {
      while (!Files.exists(lock(FOLDER, rank))) {
        Thread.sleep(1);
      }
      FileChannel.open(lock(FOLDER, rank), StandardOpenOption.WRITE).lock();
    }

    /** Waits for ever, and takes a while to end. */
    private static void await() throws IOException, InterruptedException {
      Runtime.getRuntime().addShutdownHook(new Thread(Rank::keep));
      Files.createFile(ready(FOLDER, RANK));
      new CountDownLatch(1).await();
    }

    private static void keep() {
      try {
        Thread.sleep(300);
        Files.createFile(kept(FOLDER, RANK));
      } catch (IOException | InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }
}
