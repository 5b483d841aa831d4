package org.retort.cli;

import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.data.Dataset;
import org.retort.data.TableColumns;
import org.retort.data.TableDataset;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code retort predict}: predicts the classes of files with a saved model. */
@Command(
    name = "predict",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Prints the most probable classes of images, or of the rows of CSV files.",
      "Each line contains the file, or file:line, then classes, each followed by its probability,"
          + " separated by two or more spaces. A file that can't be read is reported on stderr; the"
          + " others are still predicted, and the exit code is 2.%n"
    },
    footer = {
      "%nExamples:",
      "  retort predict --model student photo.jpg",
      "  retort predict --model student --top 1 photos/*.jpg"
    })
final class PredictCommand implements Callable<Integer> {
  private static final int MAX_TOP = 1 << 16;
  private static final int MAX_THREADS = 1024;

  /** The number of rows given to the network at once, unless they have many features. */
  private static final int BATCH = 256;

  private static final int MOST_FEATURES_AT_ONCE = 1 << 22;

  /** Longer names push the rest of the line to the right. */
  private static final int MOST_PADDING = 24;

  private record PicturePrediction(String file, List<Prediction> classes) {}

  /** The expected class is null for a row without a label. */
  private record RowPrediction(String file, int line, String expected, List<Prediction> classes) {}

  @Option(
      names = "--model",
      required = true,
      paramLabel = "<folder>",
      description =
          "Folder of a saved network: model.json, student.ts and, for tables, columns.csv.")
  private Path folder;

  @Option(
      names = "--top",
      paramLabel = "<count>",
      defaultValue = "5",
      description = "Number of classes to print. Default: ${DEFAULT-VALUE}.")
  private int top;

  @Option(
      names = "--json",
      description =
          "Print JSON: one object per line for each image or row; for a row with a label,"
              + " \"expected\" is its class.")
  private boolean json;

  @Option(
      names = "--threads",
      paramLabel = OptionValues.THREADS_LABEL,
      description =
          "Number of threads for reading and predicting. Default: all available processors, here"
              + " ${DEFAULT-VALUE}.")
  private int threads;

  @Parameters(
      paramLabel = "<file>",
      arity = "1..*",
      description =
          "JPEG, PNG or WebP images, or CSV files with the columns used in training, in any order.")
  private List<Path> files;

  @Spec private CommandSpec spec;

  private PrintWriter out;
  private int exitCode = ExitCode.OK;
  private int classPadding;

  @Override
  public Integer call() throws InterruptedException {
    OptionValues.requireBetween(spec, "--top", top, MAX_TOP);
    OptionValues.requireBetween(spec, "--threads", threads, MAX_THREADS);
    out = spec.commandLine().getOut();
    try (Predictor predictor = load()) {
      classPadding =
          Math.min(
              MOST_PADDING,
              predictor.description().classNames().stream()
                  .mapToInt(String::length)
                  .max()
                  .orElse(0));
      TableColumns columns = predictor.description().columns().orElse(null);
      if (columns == null) {
        requirePictures(predictor);
        predictPictures(predictor);
      } else {
        Retort.threads(threads);
        for (Path file : files) {
          predictRows(predictor, columns, file);
        }
      }
    } finally {
      out.flush();
    }
    return exitCode;
  }

  private Predictor load() {
    try {
      return Predictor.load(folder);
    } catch (FileException failure) {
      throw OptionValues.wrong(
          spec, "--model must be a folder with a saved network (got " + failure.getMessage() + ")");
    }
  }

  private void requirePictures(Predictor predictor) {
    try {
      predictor.pictureReader();
    } catch (IllegalStateException failure) {
      throw OptionValues.wrong(
          spec,
          "--model must have a network for images, or the columns of a table (got "
              + failure.getMessage()
              + ")");
    }
  }

  /** Decodes and predicts several pictures at once, and prints them in order. */
  private void predictPictures(Predictor predictor) throws InterruptedException {
    int workers = Math.min(threads, files.size());
    Retort.threads(threads / workers);
    ExecutorService pool = Executors.newFixedThreadPool(workers);
    try {
      List<Future<List<Prediction>>> predictions = new ArrayList<>();
      for (Path file : files) {
        predictions.add(pool.submit(() -> predictor.top(top, file)));
      }
      int padding = files.stream().mapToInt(file -> file.toString().length()).max().orElse(0);
      for (int i = 0; i < files.size(); i++) {
        try {
          print(files.get(i).toString(), padding, predictions.get(i).get());
        } catch (ExecutionException failure) {
          report(failure.getCause());
        }
      }
    } finally {
      pool.shutdownNow();
    }
  }

  private void predictRows(Predictor predictor, TableColumns columns, Path file) {
    TableDataset rows;
    try {
      rows = TableDataset.open(file, columns);
    } catch (FileException failure) {
      report(failure);
      return;
    }
    int padding = place(file, rows.line(rows.size() - 1)).length();
    int batch = Math.max(1, Math.min(BATCH, MOST_FEATURES_AT_ONCE / columns.features()));
    FloatBuffer features =
        ByteBuffer.allocateDirect(batch * columns.features() * Float.BYTES)
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
    for (int start = 0; start < rows.size(); start += batch) {
      int end = Math.min(start + batch, rows.size());
      features.clear();
      for (int row = start; row < end; row++) {
        rows.read(row, features);
      }
      List<List<Prediction>> predictions = predictor.topOfEach(top, features.flip());
      for (int row = start; row < end; row++) {
        print(rows, file, row, padding, predictions.get(row - start));
      }
    }
  }

  private void print(TableDataset rows, Path file, int row, int padding, List<Prediction> classes) {
    if (json) {
      int label = rows.label(row);
      String expected = label == Dataset.UNLABELED ? null : rows.classNames().get(label);
      out.print(Json.line(new RowPrediction(file.toString(), rows.line(row), expected, classes)));
    } else {
      printLine(place(file, rows.line(row)), padding, classes);
    }
  }

  private static String place(Path file, int line) {
    return file + ":" + line;
  }

  private void print(String file, int padding, List<Prediction> classes) {
    if (json) {
      out.print(Json.line(new PicturePrediction(file, classes)));
    } else {
      printLine(file, padding, classes);
    }
  }

  private void printLine(String place, int padding, List<Prediction> classes) {
    StringBuilder line = new StringBuilder(padded(place, padding));
    for (Prediction one : classes) {
      line.append("  ")
          .append(padded(one.name(), classPadding))
          .append(String.format(Locale.ROOT, "  %.4f", one.probability()));
    }
    out.println(line.toString().replaceAll("\\p{Cntrl}", "?"));
  }

  private static String padded(String text, int width) {
    return text + " ".repeat(Math.max(0, width - text.length()));
  }

  private void report(Throwable failure) {
    if (failure instanceof FileException wrong) {
      out.flush(); // where both go to a terminal, lines stay in the order of the files
      exitCode = Main.report(spec.commandLine(), wrong, ExitCode.USAGE);
      return;
    }
    throw failure instanceof RuntimeException unchecked
        ? unchecked
        : new IllegalStateException(failure);
  }
}
