package org.retort.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of commands that train. */
final class OutputOptions {
  @Option(
      names = "--output",
      paramLabel = "<folder>",
      defaultValue = "target/distill",
      description =
          "Folder for the results; existing files of the same names are replaced. Default:"
              + " ${DEFAULT-VALUE}.")
  private Path output;

  @Option(
      names = "--resume",
      description =
          "Resume an interrupted run of the same recipe and options: what is finished in the output"
              + " folder is kept, and training continues from the last checkpoint.")
  private boolean resume;

  @Spec(Target.MIXEE)
  private CommandSpec command;

  /** Returns the folder, after creating it if this process is to write to it. */
  Path folder(boolean isWritten) {
    if (!isWritten) {
      return output;
    }
    try {
      Files.createDirectories(output);
    } catch (IOException e) {
      throw wrong("be a folder that exists or can be created");
    }
    if (!Files.isWritable(output)) {
      throw wrong("be a writable folder");
    }
    return output;
  }

  /** Returns whether to resume. */
  boolean resume() {
    return resume;
  }

  private RuntimeException wrong(String rule) {
    return OptionValues.wrong(command, "--output must " + rule + " (got " + output + ")");
  }
}
