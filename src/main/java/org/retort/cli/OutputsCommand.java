package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import org.retort.recipes.Spelling;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code retort outputs}: stores a teacher's outputs. */
@Command(
    name = "outputs",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Stores a teacher's outputs for a recipe's training images, so that students can be trained"
          + " without it.",
      "The images are not augmented. TrainingStep.builder(student, StoredOutputs.open(file)) reads"
          + " the file.%n"
    },
    footer = {"%nExample:", "  retort outputs teacher.pt --taps stem,layer1 --output t.outputs"})
final class OutputsCommand implements Callable<Integer> {
  @Parameters(paramLabel = "<teacher.pt>", description = "The teacher's state dict.")
  private Path file;

  @Option(
      names = "--network",
      paramLabel = "<name>",
      description = "Network that the state dict belongs to. Default: the recipe's teacher.")
  private String network;

  @Option(
      names = "--output",
      paramLabel = "<file>",
      required = true,
      description = "File to write the outputs to; an existing one is replaced.")
  private Path output;

  @Option(
      names = "--taps",
      split = ",",
      paramLabel = "<tap>",
      description = "Taps whose features are stored along with the logits. Default: none.")
  private List<String> taps = List.of();

  @Option(
      names = "--top",
      paramLabel = "<n>",
      description = "Store only the n largest logits of each image. Default: all.")
  private Integer top;

  @Option(
      names = "--dtype",
      paramLabel = "<dtype>",
      defaultValue = "FLOAT32",
      description =
          "Data type of the stored numbers: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private StoredOutputsFormat.Dtype dtype;

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    OptionValues.requireFile(spec, "<teacher.pt>", file);
    OptionValues.requireOutput(spec, "--output", output);
    Recipe recipe = common.recipe();
    if (network == null) {
      OptionValues.requireOneTeacher(spec, "for <teacher.pt> without --network", recipe);
    }
    Experiment experiment = common.open(recipe);
    Retort.threads(common.threads());
    String name = network == null ? recipe.teacher().network().name() : network;
    OptionValues.requireNetwork(spec, "--network", network);
    try (Network teacher =
            common.checked(
                () ->
                    network == null
                        ? experiment.teacher(recipe.teacher())
                        : experiment.network(network, 0));
        DatasetBatches batches = experiment.samplesInOrder()) {
      OptionValues.load(spec, "<teacher.pt>", file, teacher, name);
      StoredOutputsFormat format = format(experiment, teacher, name);
      try (StoredOutputsWriter writer = StoredOutputs.writer(output, format)) {
        return Work.run(
            spec,
            Progress.IMAGES,
            experiment.sampleCount(),
            (progress, interruption) -> write(writer, teacher, batches, progress, interruption),
            rows -> report(name, rows));
      }
    }
  }

  private static long write(
      StoredOutputsWriter writer,
      Network teacher,
      DatasetBatches batches,
      Progress progress,
      Interruption interruption) {
    batches.startEpoch(0);
    for (int i = 0; i < batches.stepsPerEpoch(); i++) {
      interruption.check();
      Batch batch = batches.next();
      writer.write(batch.indices(), teacher, batch.images());
      progress.stepBy(batch.size());
    }
    writer.finish();
    return writer.rows();
  }

  private void report(String name, long rows) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    out.printf(
        Locale.ROOT,
        "%s: outputs for %d training images, %.1f MB, see %s%n",
        name,
        rows,
        Files.size(output) / 1e6,
        output);
    out.flush();
  }

  private StoredOutputsFormat format(Experiment experiment, Network teacher, String name) {
    long classes = teacher.classes();
    if (top != null && (top < 1 || top >= classes)) {
      throw OptionValues.wrong(
          spec, "--top must be between 1 and " + (classes - 1) + " (got " + top + ")");
    }
    StoredOutputsFormat format =
        StoredOutputsFormat.of(experiment.sampleCount(), classes)
            .withDtype(dtype)
            .withTop(top == null ? 0 : top)
            .withNote(name + " of " + experiment.recipe().name());
    for (String tap : taps) {
      if (!teacher.taps().contains(tap)) {
        throw OptionValues.wrong(
            spec,
            "--taps must be among %s (got %s)"
                .formatted(String.join(", ", teacher.taps()), Spelling.got(tap, teacher.taps())));
      }
      format = format.withTap(tap, teacher.tapShape(tap));
    }
    return format;
  }
}
