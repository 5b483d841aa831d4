package org.retort.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.retort.Retort;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code retort bench}: measures the steps of a recipe's methods, on noise. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = "Times the training step of each of a recipe's methods, on random inputs.%n")
final class BenchCommand implements Callable<Integer> {
  private static final int MAX_STEPS = 1_000_000;

  @Mixin private MethodOptions methods;

  @Option(
      names = "--steps",
      paramLabel = "<n>",
      defaultValue = "30",
      description = "Number of steps to time in each stage. Default: ${DEFAULT-VALUE}.")
  private int steps;

  @Option(
      names = "--warm-up",
      paramLabel = "<n>",
      defaultValue = "5",
      description = "Number of warm-up steps before timing. Default: ${DEFAULT-VALUE}.")
  private int warmUp;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  private record Document(
      String recipe, String device, int threads, Machine machine, List<StepTime> stages) {}

  @Override
  public Integer call() throws IOException {
    OptionValues.requireBetween(spec, "--steps", steps, MAX_STEPS);
    OptionValues.requireBetween(spec, "--warm-up", warmUp, MAX_STEPS);
    methods
        .teacher()
        .file()
        .ifPresent(
            file -> {
              throw OptionValues.wrong(
                  spec, "--teacher must not be a state dict (got " + file + ")");
            });
    Recipe recipe = methods.choose(common.recipe());
    Experiment experiment = common.onNoise(recipe);
    common.check(() -> experiment.check(recipe.methods()));
    Retort.threads(common.threads());
    StepClock clock = new StepClock(experiment, warmUp, steps);
    return Work.run(
        spec, "steps", clock.allSteps(), clock::measure, times -> print(experiment, times));
  }

  private void print(Experiment experiment, List<StepTime> times) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      String recipe = experiment.recipe().name();
      out.print(
          Json.of(
              new Document(recipe, experiment.device(), common.threads(), Machine.here(), times)));
    } else {
      List<List<String>> lines = new ArrayList<>();
      lines.add(List.of("method", "stage", "median ms", "samples/s"));
      for (StepTime time : times) {
        lines.add(
            List.of(
                time.method(),
                Integer.toString(time.stage() + 1),
                TableReport.number("%.2f", time.medianMillis()),
                TableReport.number("%.0f", time.samplesPerSecond())));
      }
      out.print(TableReport.align(lines));
    }
    out.flush();
  }
}
