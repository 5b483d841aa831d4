package org.retort.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Recipe;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code retort export}: converts a network to TorchScript. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    defaultValueProvider = OptionValues.Defaults.class,
    sortOptions = false,
    description = "Converts a network to TorchScript, for torch.jit.load and LibTorch.%n")
final class ExportCommand implements Callable<Integer> {
  @Mixin private NetworkOptions network;

  @Option(
      names = "--output",
      paramLabel = "<file>",
      required = true,
      description = "TorchScript file to write; an existing one is replaced.")
  private Path output;

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    OptionValues.requireOutput(spec, "--output", output);
    Recipe recipe = common.recipe();
    Experiment experiment = common.checked(() -> Experiment.onNoise(recipe)); // needs no data
    try (Network loaded = network.load(experiment, common)) {
      loaded.saveTorchScript(output);
    }
    return 0;
  }
}
