package org.retort.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.retort.FileException;
import org.retort.models.ExportedNetwork;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code retort inspect}: tells what is in a program of torch.export. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    description = {
      "Prints the modules of a program of torch.export, with parameters and shapes, and taps to "
          + "begin with.%n"
    })
final class InspectCommand implements Callable<Integer> {
  @Parameters(paramLabel = "<file.pt2>", description = "What torch.export.save wrote.")
  private Path file;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    OptionValues.requireFile(spec, "<file.pt2>", file);
    PrintWriter out = spec.commandLine().getOut();
    try {
      out.print(ExportedNetwork.describe(file));
    } catch (FileException failure) {
      throw OptionValues.wrong(spec, failure.getMessage());
    }
    out.flush();
    return 0;
  }
}
