package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.pytorch.StringVector;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.FlightRecorder;
import org.retort.internal.LoadEvent;
import org.retort.internal.NativeLibrary;

/**
 * A TorchScript module, to train or to learn from. <b>A TorchScript file is a program: load only
 * files you trust.</b>
 *
 * <p>Its {@code forward} takes the images and returns {@code (logits, features)}. {@code features}
 * is a dict, whose keys are the tap names, or a list or tuple of tensors, whose tap names are
 * {@code "0"}, {@code "1"}, … unless names are given.
 */
public final class TorchScriptNetwork extends Network {
  private TorchScriptNetwork(NativeNetwork network) {
    super("TorchScriptNetwork", network);
  }

  /**
   * Loads a file written by {@code torch.jit.save}; its tensors are brought to the CPU.
   *
   * @param file the file
   * @param taps one name for each feature of a list, or a selection of a dict's keys; none for the
   *     names above
   * @return a new network
   * @throws IllegalArgumentException if the file or a name is null or the file does not exist
   * @throws org.retort.RetortException if the file is not a TorchScript module
   */
  public static TorchScriptNetwork load(Path file, String... taps) {
    String function = "TorchScriptNetwork.load";
    Arguments.notNull(file, function, "file");
    Arguments.notNull(taps, function, "taps");
    for (String tap : taps) {
      Arguments.notNull(tap, function, "tap");
    }
    check(Files.isRegularFile(file), "%s: file must exist (got %s)", function, file);
    NativeLibrary.load();
    LoadEvent event = FlightRecorder.isAvailable() ? LoadEvent.start() : null;
    try (StringVector names = new StringVector(taps)) {
      TorchScriptNetwork network =
          new TorchScriptNetwork(retort.load_torchscript(file.toString(), names));
      if (event != null) {
        event.commit(file);
      }
      return network;
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }
}
