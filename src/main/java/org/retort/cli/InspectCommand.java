package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.retort.FileException;
import org.retort.data.FolderInspection;
import org.retort.models.ExportedNetwork;
import org.retort.recipes.DataSpec;
import org.retort.recipes.DatasetParts;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code retort inspect}: describes data or an exported program. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Reports the classes, counts, sizes, columns and broken files of a data set.",
      "For an exported program, prints its modules with parameters and shapes, and proposes taps.%n"
    },
    footer = {
      "%nExamples:",
      "  retort inspect --data folder:photos --samples samples.png",
      "  retort inspect --data csv:animals.csv --label species",
      "  retort inspect resnet18.pt2"
    })
final class InspectCommand implements Callable<Integer> {
  private static final int MAX_THREADS = 1024;

  /** Fewer pictures are quick to inspect and need no progress bar. */
  private static final int LEAST_WITH_PROGRESS = 200;

  private static final String DATA = "--data";
  private static final String LABEL = "--label";
  private static final String SAMPLES = "--samples";

  @Parameters(
      paramLabel = "<file.pt2>",
      arity = "0..1",
      description = "Program written by torch.export.save.")
  private Path file;

  @Option(
      names = DATA,
      paramLabel = "<kind>:<path>",
      description = {
        "Data to inspect instead of a program:",
        "folder:<path>, images in one subfolder per class, or such subfolders in train and in one"
            + " of test, val, valid or validation;",
        "csv:<file>, a table;",
        "idx:<folder>, files in MNIST's format;",
        "cifar:<folder>, CIFAR-10 or CIFAR-100 in the binary version."
      })
  private String data;

  @Option(
      names = LABEL,
      paramLabel = "<column>",
      description = "Column of the CSV file that contains the classes.")
  private String label;

  @Option(
      names = SAMPLES,
      paramLabel = "<file.png>",
      description =
          "Draw up to 8 images from each of up to 40 classes, as a network would see them.")
  private Path samples;

  @Option(names = "--json", description = "Print JSON, including all broken files.")
  private boolean json;

  @Option(
      names = "--threads",
      paramLabel = OptionValues.THREADS_LABEL,
      description =
          "Number of threads for decoding images. Default: all available processors, here"
              + " ${DEFAULT-VALUE}.")
  private int threads;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    OptionValues.requireBetween(spec, "--threads", threads, MAX_THREADS);
    if ((file == null) == (data == null)) {
      throw OptionValues.wrong(
          spec,
          "either <file.pt2> or --data must be given (got %s)"
              .formatted(file == null ? "none" : "both"));
    }
    try {
      if (file != null) {
        describeProgram();
      } else {
        inspectData();
      }
    } catch (FileException failure) {
      String message = failure.getMessage();
      throw OptionValues.wrong(
          spec, file != null ? message : message.replaceFirst("^[\\w.]+: ", ""));
    }
    return 0;
  }

  private void describeProgram() {
    for (String option : List.of(LABEL, SAMPLES, "--json")) {
      if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
        throw OptionValues.wrong(spec, option + " must be used with --data (got " + file + ")");
      }
    }
    OptionValues.requireFile(spec, "<file.pt2>", file);
    print(ExportedNetwork.describe(file));
  }

  private void inspectData() throws IOException {
    DataSpec what = OptionValues.data(spec, data, label);
    requireThere(what);
    if (samples != null) {
      requireSamples(what);
    }
    Inspection inspection = inspect(what);
    String drawn = samples == null ? "" : draw(inspection.samples());
    if (json) {
      print(Json.of(inspection.document()));
      return;
    }
    String end = System.lineSeparator();
    print(inspection.text(spec.usageMessage().autoWidth(true).width()));
    if (samples != null) {
      print(end + drawn + end);
    } else if (!what.isTable()) {
      print(end + "a picture of samples: " + SAMPLES + " samples.png" + end);
    }
  }

  private ParameterException wrongData(String rule, String got) {
    return OptionValues.wrong(spec, DATA + " must be " + rule + " (got " + got + ")");
  }

  private void requireThere(DataSpec what) {
    Path path = Path.of(data.substring(data.indexOf(':') + 1)); // as typed
    if (what.isTable() && !Files.isRegularFile(path)) {
      throw wrongData("an existing file", path + (Files.exists(path) ? ", a folder" : ""));
    }
    if (!what.isTable() && !Files.isDirectory(path)) {
      throw wrongData("an existing folder", path + (Files.exists(path) ? ", a file" : ""));
    }
  }

  private void requireSamples(DataSpec what) {
    if (what.isTable()) {
      throw OptionValues.wrong(spec, SAMPLES + " must be used with images (got " + data + ")");
    }
    if (!samples.toString().toLowerCase(Locale.ROOT).endsWith(".png")) {
      throw OptionValues.wrong(spec, SAMPLES + " must end in .png (got " + samples + ")");
    }
    OptionValues.requireOutput(spec, SAMPLES, samples);
    if (!Files.isWritable(samples.toAbsolutePath().getParent())) {
      throw unwritable();
    }
  }

  private ParameterException unwritable() {
    return OptionValues.wrong(spec, SAMPLES + " must be a writable file (got " + samples + ")");
  }

  private Inspection inspect(DataSpec what) {
    Path path = what.path();
    return switch (what.kind()) {
      case "folder" -> folder(path);
      case "csv" -> InspectedTable.of(path, what.label().orElseThrow());
      case "idx" -> new InspectedDataset(path, what.kind(), DatasetParts.idx(path));
      default -> new InspectedDataset(path, what.kind(), DatasetParts.cifar(path));
    };
  }

  private Inspection folder(Path path) {
    try (Bar bar = new Bar(spec.name())) {
      InspectedFolder inspected = InspectedFolder.of(path, threads, bar);
      inspected
          .empty()
          .ifPresent(
              empty -> {
                throw OptionValues.wrong(
                    spec, DATA + " must have images in every class (got none in " + empty + ")");
              });
      return inspected;
    }
  }

  /** Draws the samples and returns a message about the picture. */
  private String draw(List<SamplesPicture.Row> rows) throws IOException {
    String summary = SamplesPicture.summary(rows).orElse("");
    if (summary.isEmpty()) {
      return "no picture of samples, since there are no pictures";
    }
    boolean hasFonts = Drawing.hasFonts();
    byte[] png = SamplesPicture.png(rows, hasFonts);
    try {
      AtomicFile.write(samples, png);
    } catch (IOException e) {
      throw unwritable();
    }
    return samples + ": " + summary + (hasFonts ? "" : ", without names since there are no fonts");
  }

  private void print(String text) {
    PrintWriter out = spec.commandLine().getOut();
    out.print(text);
    out.flush();
  }

  /** Shows the progress in each part of a folder, if it is large. */
  private static final class Bar implements FolderInspection.Progress, AutoCloseable {
    private final String task;
    private Progress shown;

    Bar(String task) {
      this.task = task;
    }

    @Override
    public void at(int done, int all) {
      if (done == 0) {
        close();
        shown = all < LEAST_WITH_PROGRESS ? null : Progress.start(task, Progress.IMAGES, all);
      } else if (shown != null) {
        shown.stepBy(1);
      }
    }

    @Override
    public void close() {
      if (shown != null) {
        shown.close();
      }
      shown = null;
    }
  }
}
