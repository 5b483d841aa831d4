package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.retort.Retort;
import org.retort.distributed.Ranks;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import org.retort.recipes.StudentRecipe;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code retort train}: trains a teacher. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Trains a recipe's teacher, or another network in its place, on labels alone.",
      "Writes teacher.pt, a state dict for 'retort distill --teacher' and torch.load.%n"
    })
final class TrainCommand implements Callable<Integer>, OverRanks {
  @Option(
      names = "--network",
      paramLabel = "<name>",
      description = "Network to train. Default: the recipe's teacher.")
  private String network;

  @Option(
      names = "--epochs",
      paramLabel = "<n>",
      description = "Number of epochs; schedules are scaled in proportion. Default: the recipe's.")
  private Integer epochs;

  @Option(
      names = "--seed",
      paramLabel = "<n>",
      description = "Seed for the initial weights and the batches. Default: the recipe's.")
  private Integer seed;

  @Mixin private CommonOptions common;
  @Mixin private OutputOptions output;
  @Mixin private RankOptions ranks;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    Recipe recipe = recipe();
    return ranks.run(common, all -> train(recipe, all));
  }

  private int train(Recipe recipe, Ranks all) throws IOException {
    Settings settings =
        new Settings(
            recipe,
            List.of(),
            0,
            common.data(),
            output.folder(all.isFirst()),
            common.threads(),
            1,
            output.resume());
    Experiment experiment = common.open(recipe, all, ranks.batchNorm());
    common.check(experiment::checkTeachers);
    Retort.threads(settings.threads());
    return Work.run(
        spec,
        all.isFirst(),
        Progress.IMAGES,
        experiment.images(recipe.teacher()),
        (progress, interruption) ->
            Distillation.begin(settings, experiment, Work.commandLine(spec), progress, interruption)
                .teacher(recipe.teacher()),
        run -> report(run, settings, experiment));
  }

  private void report(Run run, Settings settings, Experiment experiment) {
    PrintWriter out = spec.commandLine().getOut();
    out.printf(
        Locale.ROOT,
        "%s: %.2f %% of %d test images in %.1f s, see %s%n",
        settings.recipe().teacher().network().name(),
        run.accuracyPercent(),
        experiment.testSize(),
        run.seconds(),
        settings.output().resolve(run.file()));
    out.flush();
  }

  private Recipe recipe() {
    OptionValues.requireBetween(spec, "--epochs", epochs, StudentRecipe.MAX_EPOCHS);
    if (seed != null && seed < 0) {
      throw OptionValues.wrong(spec, "--seed must be at least 0 (got " + seed + ")");
    }
    OptionValues.requireNetwork(spec, "--network", network);
    Recipe recipe = common.recipe();
    OptionValues.requireOneTeacher(spec, "to train", recipe);
    recipe = network == null ? recipe : recipe.withTeacher(network);
    recipe = epochs == null ? recipe : recipe.withTeacherEpochs(epochs);
    return seed == null ? recipe : recipe.withTeacherSeed(seed);
  }
}
