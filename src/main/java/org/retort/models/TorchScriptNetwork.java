package org.retort.models;

import java.io.InputStream;
import java.nio.file.Path;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;

/**
 * A TorchScript module, for use as a student or teacher. <b>A TorchScript file is a program: load
 * only files you trust.</b>
 *
 * <p>Its {@code forward} takes the images and returns {@code (logits, features)}. {@code features}
 * is a dict whose keys are the tap names, or a list or tuple of tensors whose tap names are {@code
 * "0"}, {@code "1"}, … unless names are given.
 *
 * <p>If it returns logits alone, or features other than the ones you need, taps can refer to the
 * calls of its submodules, each with a name, as in {@link ExportedNetwork}: {@code
 * layer3=layer3.1.relu}. These are then the only features. Calls in a loop or a branch, and
 * submodules of a module that was inlined when it was saved, can't be tapped.
 */
public final class TorchScriptNetwork extends Network {
  private static final ProgramLoader<TorchScriptNetwork> LOADER =
      new ProgramLoader<>(
          "TorchScriptNetwork.load",
          retort::load_torchscript,
          retort::load_torchscript,
          TorchScriptNetwork::new);

  private TorchScriptNetwork(NativeNetwork network) {
    super("TorchScriptNetwork", network);
  }

  /**
   * Loads a file written by {@code torch.jit.save}; its tensors are moved to the CPU.
   *
   * @param file the file, in any file system
   * @param taps one name per feature of a list, or a selection of a dict's keys; none for the names
   *     above; or taps at submodules, each with a name and an equals sign
   * @return a new network
   * @throws IllegalArgumentException if the file or a name is null
   * @throws org.retort.RetortException if a tap refers to no submodule, or not to a single tensor
   * @throws org.retort.FileException if the file is missing or not a TorchScript module
   */
  public static TorchScriptNetwork load(Path file, String... taps) {
    return LOADER.load(file, taps);
  }

  /**
   * Loads a TorchScript module from a stream, like {@link #load(Path, String...)}. The stream is
   * read to its end before anything else happens.
   *
   * @param stream the stream to read; not closed
   * @param taps as above
   * @return a new network
   * @throws IllegalArgumentException if the stream or a name is null
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause, or is not a TorchScript module
   */
  public static TorchScriptNetwork load(InputStream stream, String... taps) {
    return LOADER.load(stream, taps);
  }

  /**
   * Loads a TorchScript module from memory, like {@link #load(Path, String...)}.
   *
   * @param bytes the whole content of a file
   * @param taps as above
   * @return a new network
   * @throws IllegalArgumentException if the bytes or a name are null
   * @throws org.retort.FileException if the bytes are not a TorchScript module
   */
  public static TorchScriptNetwork load(byte[] bytes, String... taps) {
    return LOADER.load(bytes, taps);
  }
}
