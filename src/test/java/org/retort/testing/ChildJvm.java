package org.retort.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A program in a process of its own, with checks of assertions and of JNI calls on. */
public final class ChildJvm implements AutoCloseable {
  /** What bin/retort passes, too: from JDK 24 on, the virtual machine warns without it. */
  public static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

  /** Longer than anything takes beside a build that uses all cores, or under the sanitizers. */
  private static final long TIMEOUT_SECONDS = 1200;

  /** Which natives JavaCPP loads; the child takes the same. */
  private static final String EXTENSION = "org.bytedeco.javacpp.platform.extension";

  /** The complaint and the frame it is about, unless that is one of the JDK. */
  private static final Pattern JNI_COMPLAINT =
      Pattern.compile(
          "(WARNING|FATAL ERROR) in native method.*\\R"
              + "\\s*at (?!java\\.|javax\\.|jdk\\.|sun\\.).*");

  private final Path out;
  private final Path err;
  private final Process process;

  private ChildJvm(Path out, Path err, Process process) {
    this.out = out;
    this.err = err;
    this.process = process;
  }

  /** Starts a program in {@code folder}, where what it prints goes to files too. */
  public static ChildJvm start(Path folder, Class<?> program, String... arguments)
      throws IOException {
    return start(folder, List.of(), program, arguments);
  }

  /** Starts a program in a virtual machine with options of its own. */
  public static ChildJvm start(
      Path folder, List<String> options, Class<?> program, String... arguments) throws IOException {
    return start(javaHome(), folder, Map.of(), options, program, arguments);
  }

  /** Starts a program in a virtual machine of another JDK. */
  public static ChildJvm start(
      Path jdk, Path folder, List<String> options, Class<?> program, String... arguments)
      throws IOException {
    return start(jdk, folder, Map.of(), options, program, arguments);
  }

  /** Starts a program with variables of the environment, too; without those that are empty. */
  public static ChildJvm start(
      Path folder,
      Map<String, String> environment,
      List<String> options,
      Class<?> program,
      String... arguments)
      throws IOException {
    return start(javaHome(), folder, environment, options, program, arguments);
  }

  private static Path javaHome() {
    return Path.of(System.getProperty("java.home"));
  }

  private static ChildJvm start(
      Path jdk,
      Path folder,
      Map<String, String> environment,
      List<String> options,
      Class<?> program,
      String... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    // a shell that starts the build in the background lets its children ignore SIGINT
    command.addAll(List.of("env", "--default-signal=INT"));
    command.add(jdk.resolve("bin").resolve("java").toString());
    command.addAll(List.of("-ea", "-Xcheck:jni", "-XX:-CreateCoredumpOnCrash"));
    // most end before what C2 compiles would have paid off
    command.add("-XX:TieredStopAtLevel=1");
    String extension = System.getProperty(EXTENSION);
    if (extension != null) {
      command.add("-D" + EXTENSION + "=" + extension);
    }
    command.addAll(options);
    command.addAll(List.of("-cp", classPath(), program.getName()));
    command.addAll(List.of(arguments));
    Path out = folder.resolve("stdout");
    Path err = folder.resolve("stderr");
    ProcessBuilder builder = new ProcessBuilder(command);
    environment.forEach(
        (name, value) -> {
          if (value.isEmpty()) {
            builder.environment().remove(name);
          } else {
            builder.environment().put(name, value);
          }
        });
    Process process =
        builder
            .directory(folder.toFile())
            .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    return new ChildJvm(out, err, process);
  }

  /** Returns the class path, which Surefire may hand over in the manifest of a jar. */
  public static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  /** Waits until {@code file} is there; fails if the process ends before. */
  public void awaitFile(Path file) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
    while (!Files.exists(file)) {
      if (process.waitFor(10, TimeUnit.MILLISECONDS) || System.nanoTime() > deadline) {
        throw new AssertionError(file + " did not come, the process said: " + output());
      }
    }
  }

  /** Sends SIGINT. */
  public void interrupt() throws IOException, InterruptedException {
    signal("INT");
  }

  /** Sends a signal, for example {@code TERM}. */
  public void signal(String name) throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new AssertionError("kill failed");
    }
  }

  /** Returns whether it has not ended. */
  public boolean isAlive() {
    return process.isAlive();
  }

  /**
   * Returns how much memory the process has, after making the C library return what is free. It
   * otherwise keeps tens of megabytes for the threads of a busy service that freed them.
   */
  public long residentBytes() throws IOException, InterruptedException {
    String jcmd = javaHome().resolve("bin").resolve("jcmd").toString();
    Process trim =
        new ProcessBuilder(jcmd, Long.toString(process.pid()), "System.trim_native_heap")
            .redirectErrorStream(true)
            .start();
    String said = new String(trim.getInputStream().readAllBytes());
    if (trim.waitFor() != 0) {
      throw new AssertionError("jcmd failed: " + said);
    }
    return 1024 * ResidentMemory.kilobytes(process.pid());
  }

  /** Returns the processes that it has started. */
  public List<ProcessHandle> children() {
    return process.children().toList();
  }

  /** Waits for the end for some time, and returns whether it came. */
  public boolean endsWithin(long time, TimeUnit unit) throws InterruptedException {
    return process.waitFor(time, unit);
  }

  /** Waits for the end and returns the exit code. */
  public int await() throws IOException, InterruptedException {
    if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError("still running, the process said: " + output());
    }
    return process.exitValue();
  }

  /** Returns what the process has printed to stdout and stderr so far. */
  public String output() throws IOException {
    return Files.readString(out) + Files.readString(err);
  }

  /** Returns what the checks of JNI calls found, without what is in the JDK's own libraries. */
  public List<String> jniComplaints() throws IOException {
    return JNI_COMPLAINT.matcher(output()).results().map(MatchResult::group).toList();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
