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
 * A program of Python's {@code torch.export}, to train or to learn from. Any model that {@code
 * torch.export} takes can be one, without changes to its code:
 *
 * <pre>{@code
 * batch = torch.export.Dim("batch")
 * program = torch.export.export(model.train(), (images,), dynamic_shapes=({0: batch},))
 * torch.export.save(program, "model.pt2")
 * }</pre>
 *
 * <p>where {@code images} is a batch of two or more. <b>A {@code .pt2} file is data</b>: it holds
 * raw tensors and a list of ATen's operators, of which only those run that work on tensors alone.
 * Pickles in it are not read.
 *
 * <p>Parameters and buffers have the names of the Python model's state dict. The network trains and
 * evaluates as the model does: normalisation, dropout and recurrent layers follow the mode of the
 * module that they belong to, and buffers change in training mode only. Noise drawn elsewhere,
 * under {@code if self.training}, stays in evaluation mode: a model that does something else there
 * is saved with a second program, called {@code evaluation}, beside the first, called {@code
 * model}. A program that was exported in evaluation mode can be a teacher, not a student.
 *
 * <p>Images must have the sizes that the program was exported with; the batch may be of any size.
 *
 * <p>A tap is at a module of the Python model: {@code layer1.1.relu} is what the module returns,
 * {@code layer1.1.relu:in} what it is given, {@code layer1.1.relu@0} its first call in a forward
 * pass; without a number it is the last one. Its name is its text, or what is before an equals
 * sign: {@code layer1=layer1.1.relu}. Without taps, the features are those that the model returns
 * after the logits, named by their keys or numbers.
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
   * brought to the CPU.
   *
   * @param file the file, in any file system
   * @param taps paths of modules, as described above
   * @return a new network
   * @throws IllegalArgumentException if the file or a tap is null
   * @throws org.retort.RetortException if a tap is at no module, or its module does not return, or
   *     is not given, one tensor; the message has the nearest paths
   * @throws FileException if the file is missing, is no such program, or holds what Retort does not
   *     run
   */
  public static ExportedNetwork load(Path file, String... taps) {
    return LOADER.load(file, taps);
  }

  /**
   * Loads a program as {@link #load(Path, String...)} does from a stream, which is read to its end
   * before anything else happens.
   *
   * @param stream what to read; not closed
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
   * Loads a program as {@link #load(Path, String...)} does from memory.
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
   * Describes a file in lines to read: the PyTorch that wrote it, images, logits and features,
   * every module with its class, parameters and the shape of what it returns, and the taps of
   * {@link #suggestTaps}. {@code retort inspect} prints it.
   *
   * @param file the file, in any file system
   * @return lines that end in {@code \n}
   * @throws IllegalArgumentException if the file is null
   * @throws FileException if the file is missing or no such program
   */
  public static String describe(Path file) {
    return NativeFiles.load(
        DESCRIBE,
        file,
        path -> Native.call(() -> StringLists.text(retort.describe_exported(path))),
        bytes -> Native.call(() -> StringLists.text(retort.describe_exported(bytes))));
  }

  /**
   * Suggests taps for {@link #load(Path, String...)}, called as those of native networks: {@code
   * layer1}, {@code layer2}, … are the last maps of each size, {@code layer1.pre}, … what their
   * ReLU is given, if a ReLU made them, and {@code embedding} what the classifier is given, if one
   * module makes the logits of vectors.
   *
   * @param file the file, in any file system
   * @return names and paths, for example {@code layer1=layer1.1.relu}
   * @throws IllegalArgumentException if the file is null
   * @throws FileException if the file is missing or no such program
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
