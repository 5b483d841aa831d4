package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The command {@code retort distill}: checks the options, runs the experiment, writes the reports.
 */
@Command(
    name = "distill",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Distils a network on the UCI optical digits.",
      "A teacher that saw the labels of all 1,438 training images teaches a small student that sees"
          + " a few labels. Ends with a table, and writes a plot, the results as JSON and each"
          + " network as a state dict for torch.load.%n"
    },
    footer = {
      "%nExamples:",
      "  retort distill",
      "  retort distill --rows kd --weights kd=0.5 --seeds 10 --output kd-half"
    })
final class DistillCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 130;
  private static final int MAX_SEEDS = 1000;
  private static final int MAX_EPOCHS = 10_000;
  private static final int MAX_THREADS = 1024;

  /** Leaves several steps an epoch, so that the learning rate can drop twice in a single epoch. */
  private static final int MAX_LABELS_PER_CLASS = 100;

  @Option(
      names = "--rows",
      split = ",",
      paramLabel = "<row>",
      completionCandidates = OptionValues.RowNames.class,
      converter = OptionValues.RowConverter.class,
      description = {
        "How to train the student: ${COMPLETION-CANDIDATES}. The first has no teacher and sees the"
            + " labelled images only. Default: all."
      })
  private List<Row> rows = List.of(Row.values());

  @Option(
      names = "--weights",
      split = ",",
      paramLabel = OptionValues.WEIGHT_LABEL,
      converter = {OptionValues.RowConverter.class, OptionValues.WeightConverter.class},
      description =
          "Weight of a row's distillation term; the cross-entropy's is 1. Default:"
              + " ${DEFAULT-VALUE}.")
  private Map<Row, Double> weights;

  @Option(
      names = "--seeds",
      paramLabel = "<n>",
      defaultValue = "3",
      description =
          "Number of seeds, which are 0, 1, ...: each decides a student's first parameters, its"
              + " labelled images and its batches. Default: ${DEFAULT-VALUE}.")
  private int seeds;

  @Option(
      names = "--epochs",
      paramLabel = "<n>",
      defaultValue = "15",
      description = "Epochs of a student. Default: ${DEFAULT-VALUE}.")
  private int epochs;

  @Option(
      names = "--teacher-epochs",
      paramLabel = "<n>",
      defaultValue = "20",
      description =
          "Epochs of the teacher, which is trained once, if a row needs it. Default:"
              + " ${DEFAULT-VALUE}.")
  private int teacherEpochs;

  @Option(
      names = "--labels-per-class",
      paramLabel = "<n>",
      defaultValue = "5",
      description =
          "Images of each class whose labels the students see. Default: ${DEFAULT-VALUE}.")
  private int labelsPerClass;

  @Option(
      names = "--output",
      paramLabel = "<folder>",
      defaultValue = "target/distill",
      description =
          "Folder of the results; files of the same names are replaced. Default: ${DEFAULT-VALUE}.")
  private Path output;

  @Option(
      names = "--threads",
      paramLabel = OptionValues.THREADS_LABEL,
      description =
          "Threads for LibTorch. Default: the available processors, here ${DEFAULT-VALUE}.")
  private int threads;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    Settings settings = settings();
    Experiment experiment = new Experiment(settings);
    try (Interruption interruption = Interruption.listen()) {
      Results results;
      try (Progress progress = Progress.start(experiment.steps())) {
        results = experiment.run(new Training(progress, interruption));
      }
      interruption.check();
      report(results);
      return 0;
    } catch (CancellationException e) {
      return INTERRUPTED;
    }
  }

  private void report(Results results) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    out.println();
    out.print(TableReport.of(results));
    out.flush();
    AtomicFile.write(
        output.resolve("results.json"), JsonReport.of(results).getBytes(StandardCharsets.UTF_8));
    AtomicFile.write(output.resolve("accuracy.png"), PlotReport.of(results));
    out.println();
    out.println("accuracy.png, results.json and the state dicts are in " + output);
  }

  private Settings settings() {
    requireBetween("--seeds", seeds, MAX_SEEDS);
    requireBetween("--epochs", epochs, MAX_EPOCHS);
    requireBetween("--teacher-epochs", teacherEpochs, MAX_EPOCHS);
    requireBetween("--labels-per-class", labelsPerClass, MAX_LABELS_PER_CLASS);
    requireBetween("--threads", threads, MAX_THREADS);
    Settings settings =
        new Settings(
            Collections.unmodifiableSet(EnumSet.copyOf(rows)),
            allWeights(),
            seeds,
            epochs,
            teacherEpochs,
            labelsPerClass,
            output,
            threads);
    makeOutput();
    return settings;
  }

  private void makeOutput() {
    try {
      Files.createDirectories(output);
    } catch (IOException e) {
      throw wrong("--output must be a folder that is there or can be made (got " + output + ")");
    }
    if (!Files.isWritable(output)) {
      throw wrong("--output must be a folder that can be written (got " + output + ")");
    }
  }

  private Map<Row, Double> allWeights() {
    Map<Row, Double> all = Row.defaultWeights();
    weights.forEach(
        (row, weight) -> {
          if (all.replace(row, weight) == null) {
            throw wrong("--weights must name rows that have a weight (got " + row + ")");
          }
        });
    return Collections.unmodifiableMap(all);
  }

  private void requireBetween(String option, int value, int max) {
    if (value < 1 || value > max) {
      throw wrong(option + " must be between 1 and " + max + " (got " + value + ")");
    }
  }

  private ParameterException wrong(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
