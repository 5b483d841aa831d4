package org.retort.models;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.StringVector;
import org.retort.FileException;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;
import org.retort.internal.NativeFiles;
import org.retort.internal.StringLists;

/**
 * A program exported by Python's {@code torch.export}, for use as a student or teacher. Any model
 * that {@code torch.export} accepts can be one, without changes to its code:
 *
 * <pre>{@code
 * batch = torch.export.Dim("batch")
 * program = torch.export.export(model.train(), (images,), dynamic_shapes=({0: batch},))
 * torch.export.save(program, "model.pt2")
 * }</pre>
 *
 * <p>where {@code images} is a batch of two or more. <b>A {@code .pt2} file is data</b>: it holds
 * raw tensors and a list of ATen operators. Only operators that work on tensors alone are run.
 * Pickles in it are not read.
 *
 * <p>Parameters and buffers have the names of the Python model's state dict. The network trains and
 * evaluates as the model does: normalisation, dropout and recurrent layers follow the mode of the
 * module they belong to, and buffers change in training mode only. Noise drawn elsewhere, under
 * {@code if self.training}, is drawn in evaluation mode, too. If a model does something else there,
 * save it with a second program, called {@code evaluation}, next to the first, called {@code
 * model}. A program that was exported in evaluation mode can be a teacher but not a student.
 *
 * <p>Images must have the sizes the program was exported with; the batch may be of any size.
 *
 * <p>A tap refers to a module of the Python model: {@code layer1.1.relu} is the module's output,
 * {@code layer1.1.relu:in} its input, {@code layer1.1.relu@0} its first call in a forward pass;
 * without a number, it is the last call. A tap's name is its text or, if there is an equals sign,
 * the part before it: {@code layer1=layer1.1.relu}. Without taps, the features are those that the
 * model returns after the logits, named by their keys or numbers.
 *
 * @see <a href="https://docs.pytorch.org/docs/stable/export.html">torch.export</a>
 */
public final class ExportedNetwork extends Network {
  private static final ProgramLoader<ExportedNetwork> LOADER =
      new ProgramLoader<>(
          "ExportedNetwork.load",
          retort::load_exported,
          retort::load_exported,
          ExportedNetwork::new);
  private static final String DESCRIBE = "ExportedNetwork.describe";
  private static final String SUGGEST = "ExportedNetwork.suggestTaps";

  private ExportedNetwork(NativeNetwork network) {
    super("ExportedNetwork", network);
  }

  /**
   * Loads a file written by {@code torch.export.save} of PyTorch 2.9 or later; its tensors are
   * moved to the CPU.
   *
   * @param file the file, in any file system
   * @param taps module paths, as described above
   * @return a new network
   * @throws IllegalArgumentException if the file or a tap is null
   * @throws org.retort.RetortException if a tap refers to no module, or its module does not return,
   *     or is not given, a single tensor; the message lists the nearest paths
   * @throws FileException if the file is missing, is not such a program, or contains something that
   *     Retort does not run
   */
  public static ExportedNetwork load(Path file, String... taps) {
    return LOADER.load(file, taps);
  }

  /**
   * Loads a program from a stream, like {@link #load(Path, String...)}. The stream is read to its
   * end before anything else happens.
   *
   * @param stream the stream to read; not closed
   * @param taps as above
   * @return a new network
   * @throws IllegalArgumentException if the stream or a tap is null
   * @throws org.retort.RetortException as above
   * @throws FileException as above, and if the stream throws an {@link java.io.IOException}, which
   *     is the cause
   */
  public static ExportedNetwork load(InputStream stream, String... taps) {
    return LOADER.load(stream, taps);
  }

  /**
   * Loads a program from memory, like {@link #load(Path, String...)}.
   *
   * @param bytes the whole content of a file
   * @param taps as above
   * @return a new network
   * @throws IllegalArgumentException if the bytes or a tap are null
   * @throws org.retort.RetortException as above
   * @throws FileException as above
   */
  public static ExportedNetwork load(byte[] bytes, String... taps) {
    return LOADER.load(bytes, taps);
  }

  /**
   * Describes a file in human-readable lines: the PyTorch version that wrote it, images, logits and
   * features, every module with its class, parameters and output shape, and the taps of {@link
   * #suggestTaps}. {@code retort inspect} prints this description.
   *
   * @param file the file, in any file system
   * @return lines that end in {@code \n}
   * @throws IllegalArgumentException if the file is null
   * @throws FileException if the file is missing or not such a program
   */
  public static String describe(Path file) {
    return NativeFiles.load(
        DESCRIBE,
        file,
        path -> Native.call(() -> StringLists.text(retort.describe_exported(path))),
        bytes -> Native.call(() -> StringLists.text(retort.describe_exported(bytes))));
  }

  /**
   * Suggests taps for {@link #load(Path, String...)}, named like those of native networks: {@code
   * layer1}, {@code layer2}, … are the last maps of each size, {@code layer1.pre}, … the inputs of
   * their ReLUs, if they come from a ReLU, and {@code embedding} the classifier's input, if a
   * single module computes the logits from vectors.
   *
   * @param file the file, in any file system
   * @return names and paths, for example {@code layer1=layer1.1.relu}
   * @throws IllegalArgumentException if the file is null
   * @throws FileException if the file is missing or not such a program
   */
  public static List<String> suggestTaps(Path file) {
    return NativeFiles.load(
        SUGGEST,
        file,
        path -> Native.call(() -> list(retort.suggest_exported_taps(path))),
        bytes -> Native.call(() -> list(retort.suggest_exported_taps(bytes))));
  }

  private static List<String> list(StringVector vector) {
    try (vector) {
      return StringLists.toList(vector);
    }
  }
}
