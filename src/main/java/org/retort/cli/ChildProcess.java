package org.retort.cli;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * A process that this one starts with its own virtual machine, options and class path. The child
 * never outlives this process, however it ends: this process holds the other end of the child's
 * standard input and never writes to it.
 */
final class ChildProcess {
  /** Their options are already among this virtual machine's, which the child inherits. */
  private static final Set<String> OPTION_VARIABLES =
      Set.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS");

  /** How long a child may take to exit gracefully. */
  private static final long PATIENCE_MILLIS = 10_000;

  private ChildProcess() {}

  /**
   * Returns a builder that starts a child.
   *
   * @param program its main class
   * @param options options of its virtual machine, in addition to this one's
   * @param arguments the program's arguments
   */
  static ProcessBuilder builder(Class<?> program, List<String> options, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (!option.startsWith("-agentlib:jdwp") && !option.startsWith("-Xrunjdwp")) {
        command.add(option); // a debugger's port can't be opened twice
      }
    }
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().keySet().removeAll(OPTION_VARIABLES);
    return builder;
  }

  /**
   * Ends children.
   *
   * @param force decides whether to kill a child that has run out of time
   */
  static void end(List<Process> children, BooleanSupplier force) throws InterruptedException {
    children.forEach(Process::destroy);
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS);
    for (Process child : children) {
      boolean hasEnded = child.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (!hasEnded && force.getAsBoolean()) {
        child.destroyForcibly();
      }
    }
  }

  /** Ends this process, which is a child, when its parent ends. */
  static void endWithParent() {
    daemon(ChildProcess::awaitParent);
  }

  private static void awaitParent() {
    try {
      while (System.in.read() >= 0) {
        // input is ignored
      }
    } catch (IOException e) {
      // same as end of stream
    }
    daemon(ChildProcess::halt);
    System.exit(Main.INTERRUPTED);
  }

  private static void halt() {
    try {
      Thread.sleep(PATIENCE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(Main.INTERRUPTED);
  }

  private static void daemon(Runnable work) {
    Thread thread = new Thread(work, "retort-child");
    thread.setDaemon(true);
    thread.start();
  }
}
