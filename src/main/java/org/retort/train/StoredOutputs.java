package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.retort.FileException;
import org.retort.bindings.NativeStoredOutputs;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeFileAccess;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeHandle;
import org.retort.internal.StringLists;

/**
 * The outputs of a teacher for the samples of a data set, read from a file written once by {@link
 * #writer} and used in place of the teacher: see {@link TrainingStep#builder(
 * org.retort.models.Network, StoredOutputs)}. Immutable and thread-safe.
 *
 * <p>Every row has a checksum, which is verified whenever the row is read. It detects damage, not
 * forgery. The file may be untrusted: it is data, and anything wrong with it results in a {@link
 * org.retort.FileException}.
 */
public final class StoredOutputs implements AutoCloseable {
  private static final String OPEN = "StoredOutputs.open";

  private final NativeHandle<NativeStoredOutputs> handle;
  private final StoredOutputsFormat format;

  private StoredOutputs(NativeStoredOutputs outputs) {
    handle = new NativeHandle<>("StoredOutputs", outputs);
    try {
      format = handle.ask(StoredOutputs::formatOf);
    } catch (IllegalArgumentException wrong) { // names that are not UTF-8, and so alike
      handle.close();
      throw new FileException(
          OPEN + ": file must have taps with names of their own (got " + wrong.getMessage() + ")",
          wrong);
    }
  }

  /**
   * Opens a file to be read row by row; see {@link #open(Path, FileAccess)}.
   *
   * @param file the file
   * @return new outputs, which the caller closes
   * @throws IllegalArgumentException if it is null
   * @throws org.retort.FileException as below
   */
  public static StoredOutputs open(Path file) {
    return open(file, FileAccess.READ);
  }

  /**
   * Opens a file written by a {@link StoredOutputsWriter}.
   *
   * @param file the file; if it is not on the default file system, it is read into memory
   * @param access how to read it
   * @return new outputs, which the caller closes
   * @throws IllegalArgumentException if an argument is null
   * @throws org.retort.FileException if it is missing or damaged, or of another kind, format
   *     version or size
   */
  public static StoredOutputs open(Path file, FileAccess access) {
    Arguments.notNull(access, OPEN, "access");
    NativeFileAccess how = NativeEnums.of(access, NativeFileAccess.class);
    return NativeFiles.load(
        OPEN,
        file,
        name -> open(() -> retort.open_stored_outputs(name, how)),
        bytes -> open(() -> retort.open_stored_outputs(bytes)));
  }

  /**
   * Reads a stream to its end, into memory.
   *
   * @param stream the stream to read; not closed
   * @return new outputs, which the caller closes
   * @throws IllegalArgumentException if it is null
   * @throws org.retort.FileException as above, or if the stream throws an {@link
   *     java.io.IOException}, which is the cause
   */
  public static StoredOutputs open(InputStream stream) {
    return NativeFiles.load(OPEN, stream, bytes -> open(() -> retort.open_stored_outputs(bytes)));
  }

  /**
   * Copies the content of a file from memory.
   *
   * @param bytes the whole content of a file
   * @return new outputs, which the caller closes
   * @throws IllegalArgumentException if they are null
   * @throws org.retort.FileException as above
   */
  public static StoredOutputs open(byte[] bytes) {
    return NativeFiles.load(
        OPEN, bytes, content -> open(() -> retort.open_stored_outputs(content)));
  }

  private static StoredOutputs open(Supplier<NativeStoredOutputs> open) {
    return Native.call(() -> new StoredOutputs(open.get()));
  }

  /**
   * Starts writing a file.
   *
   * @param file the file, on the default file system, where {@link StoredOutputsWriter#finish} puts
   *     it
   * @param format what the file holds for each sample
   * @return a new writer, which the caller closes
   * @throws IllegalArgumentException if an argument is null, or the file is on another file system
   * @throws org.retort.FileException if no file can be created next to it
   * @throws org.retort.RetortException if the note is too long, or no file can hold so many samples
   */
  public static StoredOutputsWriter writer(Path file, StoredOutputsFormat format) {
    return StoredOutputsWriter.create("StoredOutputs.writer", file, format);
  }

  /**
   * Returns what the file holds.
   *
   * @return the format
   */
  public StoredOutputsFormat format() {
    return format;
  }

  /**
   * Returns the number of samples that have a row.
   *
   * @return a count, at most the format's number of samples
   * @throws IllegalStateException if the outputs were closed
   */
  public long rows() {
    return handle.ask(NativeStoredOutputs::rows);
  }

  /**
   * Reads and checks the whole file.
   *
   * @return the samples without a row, in ascending order
   * @throws IllegalStateException if the outputs were closed
   * @throws org.retort.FileException if the file is damaged or can't be read
   */
  public long[] missing() {
    return handle.ask(
        outputs -> {
          try (LongVector missing = outputs.missing()) {
            return missing.get();
          }
        });
  }

  /**
   * Reads the logits of samples.
   *
   * @param indices their rows in the data set, at least one
   * @return [B, classes] on the CPU in the format's dtype, a new tensor, which the caller closes
   * @throws IllegalArgumentException if they are null
   * @throws IllegalStateException if the outputs were closed
   * @throws org.retort.FileException if a row is missing or damaged, which the message names, or
   *     the file can't be read
   * @throws org.retort.RetortException if there is no index, or one is out of range
   */
  public Tensor logits(long... indices) {
    return read("StoredOutputs.logits", indices, retort::logits_of);
  }

  /**
   * Reads the features of samples at a tap.
   *
   * @param tap the tap's name
   * @param indices the samples' rows in the data set, at least one
   * @return [B, …shape] on the CPU in the format's dtype, a new tensor, which the caller closes
   * @throws IllegalArgumentException if an argument is null, or there is no such tap
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public Tensor features(String tap, long... indices) {
    String function = "StoredOutputs.features";
    Arguments.notNull(tap, function, "tap");
    List<String> names = format.taps().stream().map(StoredTap::name).toList();
    int place = names.indexOf(tap);
    check(place >= 0, "%s: tap must be one of %s (got %s)", function, names, tap);
    return read(function, indices, (outputs, rows) -> retort.features_of(outputs, rows, place));
  }

  private interface Reader {
    Tensor read(NativeStoredOutputs outputs, Tensor indices);
  }

  private Tensor read(String function, long[] indices, Reader reader) {
    Arguments.notNull(indices, function, "indices");
    return handle.ask(
        outputs -> {
          try (Tensor rows = Tensor.create(indices, indices.length)) {
            return reader.read(outputs, rows);
          }
        });
  }

  /** Lets the options of a step share the outputs. */
  void share(Consumer<NativeStoredOutputs> options) {
    handle.use(options);
  }

  /** Frees the outputs, unless a step still shares them. Closing again has no effect. */
  @Override
  public void close() {
    handle.close();
  }

  private static StoredOutputsFormat formatOf(NativeStoredOutputs outputs) {
    try (LongVector numbers = retort.format_of(outputs);
        StringVector names = retort.tap_names_of(outputs)) {
      List<StoredTap> taps = new ArrayList<>();
      for (String name : StringLists.toList(names)) {
        try (LongVector shape = retort.tap_shape_of(outputs, taps.size())) {
          taps.add(new StoredTap(name, LongStream.of(shape.get()).boxed().toList()));
        }
      }
      return new StoredOutputsFormat(
          numbers.get(0),
          numbers.get(1),
          taps,
          StoredOutputsFormat.Dtype.of(numbers.get(2)),
          numbers.get(3),
          StringLists.text(retort.stored_note_of(outputs)));
    }
  }
}
