package org.retort.benchmarks;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The steps in C++, in a process of their own with the environment of this one. */
final class NativeSteps {
  private final String program;

  NativeSteps(String program) {
    this.program = program;
  }

  /**
   * Runs the program, which checks its results.
   *
   * @param network {@code linear} or {@code resnet}
   * @param steps how many
   * @return quantiles of each form
   */
  JsonObject run(String network, int steps) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(program, network, Integer.toString(steps))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IllegalStateException("NativeSteps: program must succeed (got " + output + ")");
    }
    return JsonParser.parseString(output).getAsJsonObject();
  }
}
