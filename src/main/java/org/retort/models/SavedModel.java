package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringVector;
import org.retort.FileException;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.NativeLoadedModel;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.global.retort;
import org.retort.data.TableColumns;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeNetworks;
import org.retort.internal.StringLists;

/**
 * A folder with everything needed to serve a network, for {@link Predictor#load}, C++'s {@code
 * load_model} and programs in any language: {@code student.pt}, the state dict; {@code student.ts},
 * the TorchScript module; {@code columns.csv}, how a row becomes features, if the network is for
 * tables; and {@code model.json}, with the architecture, the class names, the input shape and the
 * preprocessing.
 */
public final class SavedModel {
  private static final String SAVE = "SavedModel.save";
  private static final String COLUMNS = "columns.csv";

  private SavedModel() {}

  /**
   * Writes a network to a folder, which is created if it does not exist; files with these names are
   * replaced, and the columns of an earlier network are removed if this one has none. Each file is
   * either complete or absent, and {@code model.json} comes last: {@link Predictor#load} rejects a
   * partially written folder.
   *
   * @param folder where to write, in the default file system
   * @param network the network, whose input shape must be known
   * @param description its description
   * @throws IllegalArgumentException if an argument is null, the folder is in another file system,
   *     or the columns' features or number of classes differ from the network's
   * @throws IllegalStateException if the network was closed, or there are columns but commons-csv
   *     is not on the class path
   * @throws FileException if the folder can't be created or a file can't be written
   * @throws org.retort.RetortException if the network's input shape is not known, or there is not
   *     one name per class
   */
  public static void save(Path folder, Network network, ModelDescription description) {
    Arguments.notNull(folder, SAVE, "folder");
    Arguments.notNull(network, SAVE, "network");
    Arguments.notNull(description, SAVE, "description");
    NativeFiles.requireNative(SAVE, folder, "since native code writes into it");
    List<String> texts = new ArrayList<>();
    texts.add(description.architecture());
    texts.add(description.columns().map(SavedModel::text).orElse(""));
    texts.addAll(description.classNames());
    description
        .columns()
        .ifPresent(
            columns ->
                check(
                    fits(columns, network.inputShape(), network.classes()),
                    "%s: columns must have the network's features, %s, and classes, %s"
                        + " (got %s and %s)",
                    SAVE,
                    Arrays.toString(network.inputShape()),
                    network.classes(),
                    columns.features(),
                    columns.classNames().size()));
    try {
      Files.createDirectories(folder);
    } catch (IOException error) {
      throw new FileException(
          SAVE + ": folder must be one that exists or can be created (got " + folder + ")", error);
    }
    NativeNetworks.of(network)
        .use(
            shared -> {
              try (NativeFileName name = NativeFiles.nameOf(folder);
                  StringVector vector = StringLists.toVector(texts)) {
                retort.save_model(name, shared, vector, description.resize());
              }
            });
  }

  /** Creates an object from the network and the description in a folder. */
  static <T> T load(
      String function, Path folder, Function<NativeNetwork, Function<ModelDescription, T>> maker) {
    Arguments.notNull(folder, function, "folder");
    NativeFiles.requireNative(function, folder, "since native code reads it");
    return Native.call(
        () -> {
          try (NativeFileName name = NativeFiles.nameOf(folder);
              NativeLoadedModel model = new NativeLoadedModel(name);
              NativeNetwork network = model.network();
              StringVector vector = model.texts()) {
            List<String> texts = StringLists.toList(vector);
            Optional<TableColumns> columns =
                Optional.of(texts.get(1))
                    .filter(text -> !text.isEmpty())
                    .map(text -> columns(function, folder.resolve(COLUMNS), text, network));
            ModelDescription description =
                new ModelDescription(
                    texts.get(0), texts.subList(2, texts.size()), (int) model.resize(), columns);
            return maker.apply(network).apply(description);
          }
        });
  }

  private static String text(TableColumns columns) {
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    columns.write(stream);
    return stream.toString(StandardCharsets.UTF_8);
  }

  private static TableColumns columns(
      String function, Path file, String text, NativeNetwork network) {
    try (LongVector shape = network.input_shape()) {
      TableColumns columns =
          TableColumns.read(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
      if (!fits(columns, shape.get(), network.classes())) {
        throw new FileException(
            "the columns of another network, for "
                + columns.features()
                + " features and "
                + columns.classNames().size()
                + " classes",
            null);
      }
      return columns;
    } catch (FileException wrong) {
      throw new FileException(
          "%s: %s must have the columns of the network (got %s)"
              .formatted(function, file, wrong.getMessage()),
          wrong);
    }
  }

  private static boolean fits(TableColumns columns, long[] inputShape, long classes) {
    return Arrays.equals(inputShape, new long[] {columns.features()})
        && columns.classNames().size() == classes;
  }
}
