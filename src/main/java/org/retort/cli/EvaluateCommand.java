package org.retort.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code retort evaluate}: reports a network's accuracy. */
@Command(
    name = "evaluate",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = "Reports a network's accuracy on a recipe's test images.%n")
final class EvaluateCommand implements Callable<Integer> {
  private record Accuracy(
      String file, String data, int testImages, double accuracyPercent, long parameters) {}

  @Mixin private NetworkOptions network;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Experiment experiment = common.open(common.recipe());
    Retort.threads(common.threads());
    try (Network loaded = network.load(experiment, common)) {
      print(
          new Accuracy(
              network.file().toString(),
              experiment.recipe().data().name(),
              experiment.testSize(),
              100 * experiment.accuracy(loaded),
              loaded.parameterCount()));
    }
    return 0;
  }

  private void print(Accuracy accuracy) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(Json.of(accuracy));
    } else {
      out.printf(
          Locale.ROOT,
          "%s: %.2f %% of %d test images%n",
          accuracy.file(),
          accuracy.accuracyPercent(),
          accuracy.testImages());
    }
    out.flush();
  }
}
