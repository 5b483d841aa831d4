package org.retort.models;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.bytedeco.pytorch.StringVector;
import org.retort.FileException;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.NativeLoadedModel;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeNetworks;
import org.retort.internal.StringLists;

/**
 * A folder that holds all that serving a network needs, for {@link Predictor#load}, C++'s {@code
 * load_model} and programs in any language: {@code student.pt}, the state dict; {@code student.ts},
 * the TorchScript module; and {@code model.json}, which has the architecture, the names of the
 * classes, the input shape and the preprocessing.
 */
public final class SavedModel {
  private static final String SAVE = "SavedModel.save";

  private SavedModel() {}

  /**
   * Writes a network into a folder, which is made if it is not there; files of these names are
   * replaced. Each file is whole or not there, and {@code model.json} comes last.
   *
   * @param folder where to write, in the default file system
   * @param network the network, whose input shape is known
   * @param description what it is
   * @throws IllegalArgumentException if an argument is null, or the folder is in another file
   *     system
   * @throws IllegalStateException if the network was closed
   * @throws FileException if the folder can't be made or a file can't be written
   * @throws org.retort.RetortException if the network's input shape is not known, or there is not
   *     one name for each class
   */
  public static void save(Path folder, Network network, ModelDescription description) {
    Arguments.notNull(folder, SAVE, "folder");
    Arguments.notNull(network, SAVE, "network");
    Arguments.notNull(description, SAVE, "description");
    NativeFiles.requireNative(SAVE, folder, "since native code writes into it");
    try {
      Files.createDirectories(folder);
    } catch (IOException error) {
      throw new FileException(
          SAVE + ": folder must be one that is there or can be made (got " + folder + ")", error);
    }
    List<String> names = new ArrayList<>();
    names.add(description.architecture());
    names.addAll(description.classNames());
    NativeNetworks.of(network)
        .use(
            shared -> {
              try (NativeFileName name = NativeFiles.nameOf(folder);
                  StringVector texts = StringLists.toVector(names)) {
                retort.save_model(name, shared, texts, description.resize());
              }
            });
  }

  /** Makes something of the network and the description in a folder. */
  static <T> T load(
      String function, Path folder, Function<NativeNetwork, Function<ModelDescription, T>> maker) {
    Arguments.notNull(folder, function, "folder");
    NativeFiles.requireNative(function, folder, "since native code reads it");
    return Native.call(
        () -> {
          try (NativeFileName name = NativeFiles.nameOf(folder);
              NativeLoadedModel model = new NativeLoadedModel(name);
              NativeNetwork network = model.network();
              StringVector texts = model.names()) {
            List<String> names = StringLists.toList(texts);
            ModelDescription description =
                new ModelDescription(
                    names.get(0), names.subList(1, names.size()), (int) model.resize());
            return maker.apply(network).apply(description);
          }
        });
  }
}
