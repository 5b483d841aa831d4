package org.retort.cli;

import java.nio.file.Path;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options that choose a trained network. */
final class NetworkOptions {
  @Parameters(paramLabel = "<file.pt>", description = "The network's state dict.")
  private Path file;

  @Option(
      names = "--network",
      paramLabel = "<name>",
      description = "Network that the state dict belongs to. Default: the recipe's student.")
  private String network;

  @Spec(Target.MIXEE)
  private CommandSpec command;

  /** Loads the network, which the caller closes. */
  Network load(Experiment experiment, CommonOptions common) {
    OptionValues.requireFile(command, "<file.pt>", file);
    OptionValues.requireNetwork(command, "--network", network);
    String name = network == null ? experiment.recipe().student().network().name() : network;
    Network loaded =
        common.checked(
            () -> network == null ? experiment.student(0) : experiment.network(network, 0));
    try {
      OptionValues.load(command, "<file.pt>", file, loaded, name);
      return loaded;
    } catch (RuntimeException failure) {
      loaded.close();
      throw failure;
    }
  }

  /** Returns the file of the state dict. */
  Path file() {
    return file;
  }
}
