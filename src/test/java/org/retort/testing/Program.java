package org.retort.testing;

import java.nio.file.Path;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.JitModule;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.ScriptTypeParser;
import org.bytedeco.pytorch.Tensor;

/** A TorchScript module for images of {@link #INPUTS} values, to be saved for a test. */
public final class Program {
  /** The number of values of an image [3, 2, 2]. */
  public static final long INPUTS = 12;

  private final JitModule module = new JitModule(new QualifiedName("Program"));

  private Program() {
    module.register_attribute(
        "training", new ScriptTypeParser().parseType("bool"), new IValue(true));
  }

  /** Starts a module without parameters. */
  public static Program empty() {
    return new Program();
  }

  /** Starts a module with {@code self.weight} [classes, INPUTS]. */
  public static Program linear(int classes) {
    float[] weight = new float[(int) (classes * INPUTS)];
    for (int i = 0; i < weight.length; i++) {
      weight[i] = (i % 7 - 3) / 10f;
    }
    return empty().parameter("weight", Tensor.create(weight, classes, INPUTS));
  }

  /** Adds a parameter. */
  public Program parameter(String name, Tensor value) {
    module.register_parameter(name, value.requires_grad_(true), false);
    return this;
  }

  /** Adds a buffer. */
  public Program buffer(String name, Tensor value) {
    module.register_buffer(name, value);
    return this;
  }

  /**
   * Defines the forward pass of the images {@code x} and saves the module.
   *
   * @param lines the body
   */
  public Path save(Path file, String... lines) {
    module.define("def forward(self, x):\n  " + String.join("\n  ", lines) + "\n");
    module.save(file.toString());
    return file;
  }
}
