package org.retort.models;

import java.io.InputStream;
import java.nio.file.Path;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;

/**
 * A TorchScript module, to train or to learn from. <b>A TorchScript file is a program: load only
 * files you trust.</b>
 *
 * <p>Its {@code forward} takes the images and returns {@code (logits, features)}. {@code features}
 * is a dict, whose keys are the tap names, or a list or tuple of tensors, whose tap names are
 * {@code "0"}, {@code "1"}, … unless names are given.
 *
 * <p>Where it returns logits alone, or other features than wanted, taps can be at the calls of its
 * parts, each with a name, as {@link ExportedNetwork} has them: {@code layer3=layer3.1.relu}. The
 * features are these alone then. Calls in a loop or a branch, and parts of a module that was
 * inlined when it was saved, can't be tapped.
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
   * Loads a file written by {@code torch.jit.save}; its tensors are brought to the CPU.
   *
   * @param file the file, in any file system
   * @param taps one name for each feature of a list, or a selection of a dict's keys; none for the
   *     names above; or taps at parts, each with a name and an equals sign
   * @return a new network
   * @throws IllegalArgumentException if the file or a name is null
   * @throws org.retort.RetortException if a tap is at no part, or not at one tensor
   * @throws org.retort.FileException if the file is missing or not a TorchScript module
   */
  public static TorchScriptNetwork load(Path file, String... taps) {
    return LOADER.load(file, taps);
  }

  /**
   * Loads a TorchScript module as {@link #load(Path, String...)} does from a stream, which is read
   * to its end before anything else happens.
   *
   * @param stream what to read; not closed
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
   * Loads a TorchScript module as {@link #load(Path, String...)} does from memory.
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
