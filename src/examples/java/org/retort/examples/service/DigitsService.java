package org.retort.examples.service;

import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.retort.Retort;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Serves the digits: the program around {@link OnlineService}. */
@Command(
    name = "service",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    showDefaultValues = true,
    description = "Recognises digits by a ResNet-8 that learns from a ResNet-20 while it serves.")
public final class DigitsService implements Callable<Integer> {
  @Option(names = "--host", defaultValue = "127.0.0.1", description = "Where to listen.")
  private String host;

  @Option(names = "--port", defaultValue = "8080", description = "Where to listen; 0: any.")
  private int port;

  @Option(
      names = "--folder",
      defaultValue = "target/service",
      description = "Where teacher and checkpoint are kept.")
  private Path folder;

  @Option(
      names = "--teacher-epochs",
      defaultValue = "10",
      description = "How long to train the teacher, if there is none.")
  private int teacherEpochs;

  @Option(
      names = "--http-threads",
      defaultValue = "4",
      description = "Threads that answer requests.")
  private int httpThreads;

  @Option(names = "--threads", defaultValue = "1", description = "Threads of one operation.")
  private int threads;

  @Option(names = "--queue", defaultValue = "4096", description = "Samples that may wait.")
  private int queueCapacity;

  @Option(names = "--batch", defaultValue = "64", description = "Samples a training step.")
  private int batchSize;

  @Option(
      names = "--publish-every",
      defaultValue = "10",
      description = "Steps until predictions see what was learned.")
  private int publishEvery;

  @Option(
      names = "--save-every",
      defaultValue = "500",
      description = "Steps until a checkpoint is written.")
  private int saveEvery;

  @Spec private CommandSpec spec;

  private DigitsService() {}

  /**
   * Starts the service, which runs until SIGTERM or SIGINT; ends the process with 1 or 2 if it
   * can't start.
   *
   * @param args the options
   */
  public static void main(String... args) {
    int exitCode =
        new CommandLine(new DigitsService())
            .setExecutionExceptionHandler(
                (failure, command, parsed) -> {
                  command.getErr().println("service: " + failure.getMessage());
                  return CommandLine.ExitCode.SOFTWARE;
                })
            .execute(args);
    if (exitCode != 0) {
      System.exit(exitCode);
    }
  }

  @Override
  public Integer call() throws IOException {
    Settings settings =
        new Settings(
            new InetSocketAddress(host, port),
            folder,
            teacherEpochs,
            httpThreads,
            queueCapacity,
            batchSize,
            publishEvery,
            saveEvery);
    Retort.threads(threads);
    OnlineService service = OnlineService.start(settings);
    Runtime.getRuntime().addShutdownHook(new Thread(service::close, "shutdown"));
    PrintWriter out = spec.commandLine().getOut();
    out.println("listening on " + service.address());
    out.flush();
    return 0; // the server's threads keep the process alive
  }
}
