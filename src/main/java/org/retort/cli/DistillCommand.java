package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.retort.Retort;
import org.retort.distributed.Ranks;
import org.retort.recipes.DataRecipe;
import org.retort.recipes.DataSpec;
import org.retort.recipes.DefaultRecipe;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import org.retort.recipes.StudentRecipe;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code retort distill}: checks the options, runs the recipe, writes the reports. */
@Command(
    name = "distill",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = {
      "Distils a teacher into a student by each of a recipe's methods.",
      "Prints a table of the results and writes them as JSON and CSV, with plots, everything needed"
          + " to repeat the run, and each network as a state dict for torch.load.%n"
    },
    footer = {
      "%nExamples:",
      "  retort distill",
      "  retort distill --methods kd --weights kd=0.5 --seeds 10 --output kd-half"
    })
final class DistillCommand implements Callable<Integer>, OverRanks {
  private static final Logger LOG = LoggerFactory.getLogger(DistillCommand.class);
  private static final int MAX_SEEDS = 1000;
  private static final int DEFAULT_SEEDS = 3;
  private static final int MAX_JOBS = 1000;
  private static final String HELPER = "--helper";

  @Mixin private MethodOptions methods;

  @Option(
      names = "--seeds",
      paramLabel = "<n>",
      description =
          "Number of runs per method, with seeds 0, 1, ..., which determine a student's initial"
              + " weights and its batches. Default: 3, or 1 for your own data.")
  private Integer seeds;

  @Option(
      names = "--epochs",
      paramLabel = "<n>",
      description =
          "Number of epochs per student; schedules, and stages with epochs of their own, are scaled"
              + " in proportion. Default: the recipe's.")
  private Integer epochs;

  @Option(
      names = "--teacher-epochs",
      paramLabel = "<n>",
      description =
          "Number of epochs for the teacher, which is trained once, if any method needs it."
              + " Default: the recipe's.")
  private Integer teacherEpochs;

  @Option(
      names = "--labels-per-class",
      paramLabel = "<n>",
      description =
          "Number of samples per class whose labels the students see, in recipes that hide labels."
              + " Default: the recipe's.")
  private Integer labelsPerClass;

  @Option(
      names = "--jobs",
      paramLabel = "<n>",
      defaultValue = "1",
      description =
          "Number of students to train in parallel, each in a process with its share of the"
              + " threads; faster for small networks, but takes more memory. Default:"
              + " ${DEFAULT-VALUE}.")
  private int jobs;

  @Option(
      names = HELPER,
      hidden = true,
      description = "Train students for the process that started this one.")
  private boolean isHelper;

  @Option(
      names = "--no-plots",
      description = "Write no plots, which need fonts; tables and report.html are still written.")
  private boolean withoutPlots;

  @Option(
      names = "--print-recipe",
      description = "Print the recipe, for you to save and edit, and exit.")
  private boolean printsRecipe;

  @Mixin private CommonOptions common;
  @Mixin private OutputOptions output;
  @Mixin private RankOptions ranks;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    if (isHelper) {
      ChildProcess.endWithParent();
    }
    Recipe recipe = recipe();
    if (printsRecipe) {
      print(recipe);
      return 0;
    }
    return ranks.run(common, all -> distill(recipe, all));
  }

  private int distill(Recipe recipe, Ranks all) throws IOException {
    if (common.ownData().isPresent() && all.isFirst()) {
      print(recipe);
    }
    if (!withoutPlots && !isHelper && all.isFirst() && !Drawing.hasFonts()) { // not after hours
      throw OptionValues.wrong(
          spec, "--no-plots must be given on a machine without fonts (got none)");
    }
    Settings settings = settings(recipe, all);
    Experiment experiment = common.open(settings.recipe(), all, ranks.batchNorm());
    common.check(() -> experiment.check(settings.methods()));
    if (settings.needsTeacher()) {
      common.check(experiment::checkTeachers);
    }
    Retort.threads(settings.threads());
    long images = Distillation.images(settings, experiment);
    if (isHelper) {
      return Work.run(
          spec,
          false,
          Progress.IMAGES,
          images,
          (progress, interruption) ->
              Distillation.join(settings, experiment, progress, interruption).help(),
          finished -> LOG.info("finished: {}", finished));
    }
    return Work.run(
        spec,
        all.isFirst(),
        Progress.IMAGES,
        images,
        (progress, interruption) ->
            Distillation.begin(settings, experiment, Work.commandLine(spec), progress, interruption)
                .run(helperArguments()),
        results -> report(results, experiment));
  }

  private List<String> helperArguments() {
    List<String> arguments =
        new ArrayList<>(spec.root().commandLine().getParseResult().originalArgs());
    arguments.add(HELPER);
    return arguments;
  }

  private void report(Results results, Experiment experiment) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    out.println();
    out.print(TableReport.of(results));
    out.flush();
    Reports.writeTables(results);
    if (!withoutPlots) {
      Reports.writePlots(results);
    }
    String best = StudentReport.write(results, experiment, Work.commandLine(spec), !withoutPlots);
    Path folder = results.settings().output();
    out.println();
    out.println("report, with curves and samples: " + folder.resolve("report.html"));
    out.println("best student, " + best + ", to be served: " + folder.resolve("model.json"));
    out.println(
        (withoutPlots ? "" : "plots, ") + "tables, metrics and the state dicts are in " + folder);
  }

  private void print(Recipe recipe) {
    PrintWriter out = spec.commandLine().getOut();
    out.print(recipe.text());
    out.flush();
  }

  private Settings settings(Recipe recipe, Ranks all) {
    int defaultSeeds = common.ownData().isPresent() ? 1 : DEFAULT_SEEDS;
    return new Settings(
        recipe,
        methods.withMethods(recipe).methods(),
        seeds == null ? defaultSeeds : seeds,
        common.data(),
        output.folder(all.isFirst()),
        common.threads(),
        jobs(all),
        output.resume());
  }

  private int jobs(Ranks all) {
    OptionValues.requireBetween(spec, "--jobs", jobs, MAX_JOBS);
    if (jobs > 1 && all.size() > 1) {
      throw OptionValues.wrong(
          spec, "--jobs must be 1 if there are several ranks (got " + jobs + ")");
    }
    return jobs;
  }

  private Recipe recipe() {
    OptionValues.requireBetween(spec, "--seeds", seeds, MAX_SEEDS);
    OptionValues.requireBetween(spec, "--epochs", epochs, StudentRecipe.MAX_EPOCHS);
    OptionValues.requireBetween(spec, "--teacher-epochs", teacherEpochs, StudentRecipe.MAX_EPOCHS);
    OptionValues.requireBetween(
        spec, "--labels-per-class", labelsPerClass, DataRecipe.MAX_LABELS_PER_CLASS);
    return common.ownData().map(this::ofOwnData).orElseGet(this::changed);
  }

  private Recipe ofOwnData(DataSpec data) {
    if (labelsPerClass != null) {
      throw OptionValues.wrong(spec, "--labels-per-class must be used with a recipe (got none)");
    }
    DefaultRecipe defaults = methods.choose(DefaultRecipe.of(data));
    Recipe recipe =
        common.ofOwnData(
            defaults.withEpochs(
                epochs == null ? defaults.epochs() : epochs,
                teacherEpochs == null ? defaults.teacherEpochs() : teacherEpochs));
    return methods.changeWeights(recipe);
  }

  private Recipe changed() {
    Recipe recipe = methods.change(common.recipe());
    if (epochs != null) {
      recipe = recipe.withEpochs(epochs);
    }
    if (teacherEpochs != null) {
      OptionValues.requireOneTeacher(spec, "for --teacher-epochs", recipe);
      recipe = recipe.withTeacherEpochs(teacherEpochs);
    }
    if (labelsPerClass == null) {
      return recipe;
    }
    if (recipe.data().labelsPerClass().isEmpty()) {
      throw OptionValues.wrong(
          spec,
          "--labels-per-class must be used with a recipe that hides labels (got %s)"
              .formatted(recipe.name()));
    }
    return recipe.withLabelsPerClass(labelsPerClass);
  }
}
