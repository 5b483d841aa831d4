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
    description = "Recognises digits with a ResNet-8 that learns from a ResNet-20 while serving.")
public final class DigitsService implements Callable<Integer> {
  @Option(names = "--host", defaultValue = "127.0.0.1", description = "Address to listen on.")
  private String host;

  @Option(
      names = "--port",
      defaultValue = "8080",
      description = "Port to listen on; 0: any free port.")
  private int port;

  @Option(
      names = "--folder",
      defaultValue = "target/service",
      description = "Folder for the teacher and the checkpoint.")
  private Path folder;

  @Option(
      names = "--teacher-epochs",
      defaultValue = "10",
      description = "Number of epochs to train the teacher, if the folder has none.")
  private int teacherEpochs;

  @Option(
      names = "--http-threads",
      defaultValue = "4",
      description = "Number of threads that answer requests.")
  private int httpThreads;

  @Option(names = "--threads", defaultValue = "1", description = "Number of threads per operation.")
  private int threads;

  @Option(
      names = "--queue",
      defaultValue = "4096",
      description = "Maximum number of samples waiting to be learned.")
  private int queueCapacity;

  @Option(
      names = "--batch",
      defaultValue = "64",
      description = "Maximum batch size of a training step.")
  private int batchSize;

  @Option(
      names = "--publish-every",
      defaultValue = "10",
      description = "Number of steps between updates of the weights used for predictions.")
  private int publishEvery;

  @Option(
      names = "--save-every",
      defaultValue = "500",
      description = "Number of steps between checkpoints.")
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
