package org.retort.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Runs a program as several ranks, each a process on this machine with this one's virtual machine,
 * options and class path. Can run only once.
 */
final class Launcher {
  private static final String HOST = "127.0.0.1";

  /** How long the rank that failed first has to report why, when others fail because of it. */
  private static final long CAUSE_MILLIS = 3_000;

  private static final int SHOWN_LINES = 10;
  private static final int SHOWN_BYTES = 8_192;

  private final Class<?> program;
  private final List<String> arguments;
  private final int size;
  private final Optional<Integer> port;
  private final Optional<Path> givenLogs;
  private final LaunchedRank.Settings settings;
  private final Consumer<String> err;

  private final List<Process> ranks = new ArrayList<>();
  private final BlockingQueue<Integer> ended = new LinkedBlockingQueue<>();
  private volatile boolean interrupted;
  private volatile Thread shown; // null before rank 0 runs

  /**
   * Creates a launcher.
   *
   * @param program its main class
   * @param arguments the arguments of all ranks
   * @param size the number of ranks
   * @param port the port at which they meet; any free one by default
   * @param logs an existing folder for the output of all ranks but the first; by default one that
   *     is kept only if a rank fails
   * @param settings further settings for the ranks
   * @param err receives messages, line by line
   */
  Launcher(
      Class<?> program,
      List<String> arguments,
      int size,
      Optional<Integer> port,
      Optional<Path> logs,
      LaunchedRank.Settings settings,
      Consumer<String> err) {
    this.program = program;
    this.arguments = List.copyOf(arguments);
    this.size = size;
    this.port = port;
    givenLogs = logs;
    this.settings = settings;
    this.err = err;
  }

  /**
   * Starts all ranks and waits for them to end. If one fails, the others are ended. If this process
   * is interrupted, so are they, and it waits until they have saved what they must.
   *
   * @return 0, or the exit code of the rank that failed first
   * @throws IOException if there is no port, the logs can't be written, or a process can't be
   *     started
   */
  int run() throws IOException, InterruptedException {
    Path logs = makeLogs();
    Thread hook = new Thread(this::interrupt, "retort-launch");
    Runtime.getRuntime().addShutdownHook(hook);
    int failed;
    try {
      int meeting = port.isPresent() ? port.get() : freePort();
      for (int rank = 0; rank < size; rank++) {
        start(rank, meeting, logs);
      }
      failed = await();
      awaitShown();
    } finally {
      started().forEach(Process::destroyForcibly); // any are left only after an exception
      unhook(hook);
    }
    int exitCode = failed < 0 ? 0 : ranks.get(failed).exitValue();
    if (failed >= 0 && !interrupted) {
      report(failed, exitCode, logs);
    } else if (givenLogs.isEmpty()) {
      delete(logs);
    }
    return exitCode;
  }

  private Path makeLogs() throws IOException {
    return givenLogs.isPresent() ? givenLogs.get() : Files.createTempDirectory("retort-launch-");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return socket.getLocalPort();
    }
  }

  private static Path log(Path logs, int rank) {
    return logs.resolve("rank-" + rank + ".log");
  }

  private synchronized void start(int rank, int meeting, Path logs) throws IOException {
    if (interrupted) {
      return;
    }
    ProcessBuilder builder = ChildProcess.builder(program, settings.options(rank), arguments);
    Map<String, String> environment = builder.environment();
    environment.putAll(
        Map.of(
            "RANK", Integer.toString(rank),
            "LOCAL_RANK", Integer.toString(rank),
            "WORLD_SIZE", Integer.toString(size),
            "LOCAL_WORLD_SIZE", Integer.toString(size),
            "MASTER_ADDR", HOST,
            "MASTER_PORT", Integer.toString(meeting)));
    int processors = Runtime.getRuntime().availableProcessors();
    environment.putIfAbsent("OMP_NUM_THREADS", Integer.toString(Math.max(1, processors / size)));
    if (rank == 0) {
      builder.redirectError(Redirect.INHERIT);
    } else {
      builder.redirectErrorStream(true).redirectOutput(log(logs, rank).toFile());
    }
    Process process = builder.start();
    ranks.add(process);
    if (rank == 0) {
      shown = show(process.getInputStream());
    }
    process.onExit().thenRun(() -> ended.add(rank));
  }

  private static Thread show(InputStream output) {
    Thread thread = new Thread(() -> copy(output, System.out), "retort-launch-output");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void copy(InputStream output, PrintStream to) {
    byte[] bytes = new byte[8192];
    try (OutputStream filter = new GlooFilter(to)) {
      for (int count = output.read(bytes); count >= 0; count = output.read(bytes)) {
        filter.write(bytes, 0, count);
        filter.flush();
      }
    } catch (IOException e) {
      // the process is gone: there is nothing more to show
    }
  }

  /** Waits until all ranks have ended, and returns the one that failed first, or -1. */
  private int await() throws InterruptedException {
    List<Process> all = started();
    for (int i = 0; i < all.size(); i++) {
      int rank = ended.take();
      if (all.get(rank).exitValue() != 0) {
        int cause = cause(rank, i + 1);
        end();
        return cause;
      }
    }
    return -1;
  }

  /** Returns the rank that made others fail, if that becomes known soon. */
  private int cause(int first, int endedBefore) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CAUSE_MILLIS);
    int rank = first;
    for (int i = endedBefore; i < ranks.size(); i++) {
      if (ranks.get(rank).exitValue() != Main.OF_ANOTHER_RANK) {
        return rank;
      }
      Integer next = ended.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (next == null) {
        return first;
      }
      rank = ranks.get(next).exitValue() == 0 ? first : next;
    }
    return ranks.get(rank).exitValue() == Main.OF_ANOTHER_RANK ? first : rank;
  }

  /** Ends all ranks, by force if they take too long, unless they have something to save. */
  private void end() throws InterruptedException {
    ChildProcess.end(started(), () -> !interrupted);
    for (Process process : started()) {
      process.waitFor();
    }
  }

  /** Interrupts all ranks, and makes this process wait for them, however long they take. */
  private void interrupt() {
    synchronized (this) {
      interrupted = true;
    }
    started().forEach(Process::destroy);
    try {
      for (Process process : started()) {
        process.waitFor();
      }
      awaitShown();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized List<Process> started() {
    return List.copyOf(ranks);
  }

  private void awaitShown() throws InterruptedException {
    if (shown != null) {
      shown.join();
    }
  }

  private static void unhook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // the hook is already running, and has nothing left to wait for
    }
  }

  private void report(int rank, int exitCode, Path logs) {
    String failure = "rank " + rank + " failed with exit code " + exitCode;
    if (rank > 0) {
      Path log = log(logs, rank);
      List<String> lines = lastLines(log);
      err.accept(
          failure + "; its output is in " + log + (lines.isEmpty() ? "" : " and ends with:"));
      lines.forEach(line -> err.accept("  " + line));
    } else {
      err.accept(size == 1 ? failure : failure + "; the output of the others is in " + logs);
    }
  }

  private static List<String> lastLines(Path log) {
    try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
      file.seek(Math.max(0, file.length() - SHOWN_BYTES));
      byte[] bytes = new byte[(int) (file.length() - file.getFilePointer())];
      file.readFully(bytes);
      ByteArrayOutputStream filtered = new ByteArrayOutputStream();
      try (OutputStream filter = new GlooFilter(filtered)) {
        filter.write(bytes);
      }
      List<String> lines = filtered.toString(StandardCharsets.UTF_8).lines().toList();
      return lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size());
    } catch (IOException e) {
      return List.of("(can't be read: " + e.getMessage() + ")");
    }
  }

  private static void delete(Path logs) {
    try (var files = Files.list(logs)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
      Files.delete(logs);
    } catch (IOException | UncheckedIOException e) {
      // left to whatever cleans up temporary folders
    }
  }
}
