package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.NativeStoredOutputsWriter;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeHandle;
import org.retort.internal.NativeLibrary;
import org.retort.internal.NativeNetworks;
import org.retort.internal.StringLists;
import org.retort.internal.TensorLists;
import org.retort.models.Network;

/**
 * Writes a file of {@link StoredOutputs}, computed by any engine. The file is either complete or
 * absent: it is written under a temporary name, and {@link #finish} syncs and renames it; a
 * previous file stays until then. Unless it has finished, {@link #close} leaves nothing behind.
 * Thread-safe.
 *
 * <p>Rows may be written in any order; for each sample, the last row counts.
 */
public final class StoredOutputsWriter implements AutoCloseable {
  private static final String WRITE = "StoredOutputsWriter.write";

  private final NativeHandle<NativeStoredOutputsWriter> handle;
  private final StoredOutputsFormat format;

  private StoredOutputsWriter(NativeStoredOutputsWriter writer, StoredOutputsFormat format) {
    handle = new NativeHandle<>("StoredOutputsWriter", writer);
    this.format = format;
  }

  static StoredOutputsWriter create(String function, Path file, StoredOutputsFormat format) {
    NativeFiles.requireNative(function, file, "since it is written in place");
    Arguments.notNull(format, function, "format");
    List<Long> sizes = new ArrayList<>();
    for (StoredTap tap : format.taps()) {
      sizes.add((long) tap.shape().size());
      sizes.addAll(tap.shape());
    }
    long[] numbers = {format.samples(), format.classes(), format.dtype().number(), format.top()};
    byte[] note = format.note().getBytes(StandardCharsets.UTF_8);
    return Native.call(
        () -> {
          try (NativeFileName name = NativeFiles.nameOf(file);
              LongVector formatNumbers = new LongVector(numbers);
              StringVector names =
                  StringLists.toVector(format.taps().stream().map(StoredTap::name).toList());
              LongVector shapes =
                  new LongVector(sizes.stream().mapToLong(Long::longValue).toArray())) {
            return new StoredOutputsWriter(
                retort.new_stored_outputs_writer(
                    name, formatNumbers, names, shapes, note, note.length),
                format);
          }
        });
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
   * Returns the number of samples that have a row so far.
   *
   * @return a count
   * @throws IllegalStateException if the writer was closed
   */
  public long rows() {
    return handle.ask(NativeStoredOutputsWriter::rows);
  }

  /**
   * Writes the rows of samples.
   *
   * @param indices int64 [B], the samples' rows in the data set
   * @param logits [B, classes], floating point; all of them, even if only the largest are stored
   * @param features [B, …shape], floating point, one for each of the format's taps
   * @throws IllegalArgumentException if an argument is null or undefined
   * @throws IllegalStateException if a tensor or the writer was closed
   * @throws org.retort.ShapeException if a tensor does not fit the format
   * @throws org.retort.NonFiniteException if a value is not finite in the format's dtype; nothing
   *     is then written
   * @throws org.retort.FileException if the file can't be written; all later calls then throw it,
   *     too
   * @throws org.retort.RetortException if an index is out of range, or the writer has finished
   */
  @SuppressWarnings("try") // the scope works by being open
  public void write(Tensor indices, Tensor logits, Tensor... features) {
    Arguments.tensor(indices, WRITE, "indices");
    Arguments.tensor(logits, WRITE, "logits");
    List<Tensor> list = Arguments.list(features, WRITE, "features");
    try (PointerScope scope = new PointerScope()) {
      TensorVector vector = TensorLists.toVector(list, WRITE, "features");
      handle.use(writer -> writer.write(indices, logits, vector));
    }
  }

  /**
   * Writes the rows of samples from direct buffers, which are read from their position to their
   * limit.
   *
   * @param indices the samples' rows in the data set, at least one
   * @param logits for each sample, as many as there are classes
   * @param features for each of the format's taps, the features of all samples
   * @throws IllegalArgumentException if an argument is null, not direct, not in native byte order
   *     or of the wrong size
   * @throws IllegalStateException if the writer was closed
   * @throws org.retort.RetortException as above
   */
  public void write(LongBuffer indices, FloatBuffer logits, FloatBuffer... features) {
    Arguments.notNull(indices, WRITE, "indices");
    long batch = indices.remaining();
    Arguments.rows(indices, WRITE, "indices", batch);
    Arguments.notNull(logits, WRITE, "logits");
    writeMemory(
        () -> InputTensors.around(new LongPointer(indices), ScalarType.Long, batch),
        batch,
        logits,
        Arguments.list(features, WRITE, "features"));
  }

  /**
   * Writes the rows of samples from arrays.
   *
   * @param indices the samples' rows in the data set, at least one
   * @param logits for each sample, as many as there are classes
   * @param features for each of the format's taps, the features of all samples
   * @throws IllegalArgumentException if an argument is null or of the wrong size
   * @throws IllegalStateException if the writer was closed
   * @throws org.retort.RetortException as above
   */
  public void write(long[] indices, float[] logits, float[]... features) {
    Arguments.notNull(indices, WRITE, "indices");
    Arguments.notNull(logits, WRITE, "logits");
    writeMemory(
        () -> Tensor.create(indices, indices.length),
        indices.length,
        logits,
        Arguments.list(features, WRITE, "features"));
  }

  @SuppressWarnings("try") // the scope works by being open
  private void writeMemory(Supplier<Tensor> indices, long batch, Object logits, List<?> features) {
    List<StoredTap> taps = format.taps();
    check(
        features.size() == taps.size(),
        "%s: features must be one for each of %s taps (got %s)",
        WRITE,
        taps.size(),
        features.size());
    NativeLibrary.load();
    try (PointerScope scope = new PointerScope()) {
      Tensor ofLogits = tensor(logits, "logits", batch, List.of(format.classes()));
      TensorVector ofFeatures = new TensorVector();
      for (int i = 0; i < taps.size(); i++) {
        StoredTap tap = taps.get(i);
        ofFeatures.push_back(tensor(features.get(i), "feature " + tap.name(), batch, tap.shape()));
      }
      Tensor rows = indices.get();
      handle.use(writer -> writer.write(rows, ofLogits, ofFeatures));
    }
  }

  /** Creates a tensor [B, …shape] around a buffer or from a copy of an array. */
  private static Tensor tensor(Object numbers, String argument, long batch, List<Long> shape) {
    long[] sizes =
        LongStream.concat(LongStream.of(batch), shape.stream().mapToLong(n -> n)).toArray();
    long elements = LongStream.of(sizes).reduce(1, StoredOutputsWriter::product);
    if (numbers instanceof FloatBuffer buffer) {
      Arguments.numbers(buffer, WRITE, argument, elements);
      return InputTensors.around(new FloatPointer(buffer), ScalarType.Float, sizes);
    }
    float[] array = (float[]) numbers;
    check(
        array.length == elements,
        "%s: %s must hold %s elements (got %s)",
        WRITE,
        argument,
        elements,
        array.length);
    return Tensor.create(array, sizes);
  }

  /** Returns the product, or more than any buffer holds if it is too large. */
  private static long product(long left, long right) {
    return left > Integer.MAX_VALUE || right > Integer.MAX_VALUE ? Long.MAX_VALUE : left * right;
  }

  /**
   * Runs a teacher on images and writes its outputs: in evaluation mode, with the current weights,
   * on images prepared according to {@link Network#preprocessing}, and in the memory format and
   * precision that a {@link TrainingStep} uses by default. Training steps of the teacher wait.
   *
   * @param indices int64 [B], the samples' rows in the data set
   * @param teacher a network that has the format's taps
   * @param images [B, …], of the teacher's dtype or uint8
   * @throws IllegalArgumentException if an argument is null or undefined
   * @throws IllegalStateException if a tensor, the network or the writer was closed
   * @throws org.retort.RetortException if the teacher has no such taps, and as above
   */
  public void write(Tensor indices, Network teacher, Tensor images) {
    Arguments.tensor(indices, WRITE, "indices");
    Arguments.notNull(teacher, WRITE, "teacher");
    Arguments.tensor(images, WRITE, "images");
    handle.use(
        writer ->
            NativeNetworks.of(teacher).use(network -> writer.write(indices, network, images)));
  }

  /**
   * Runs a teacher on images in direct buffers and writes its outputs; otherwise as {@link
   * #write(Tensor, Network, Tensor)}.
   *
   * @param indices the samples' rows in the data set
   * @param teacher a network that has the format's taps, and was probed ({@link Network#probe})
   * @param images whole images of the shape that the teacher was probed with
   * @throws IllegalArgumentException if an argument is null, not direct, not in native byte order
   *     or of the wrong size
   * @throws IllegalStateException if the network or the writer was closed
   * @throws org.retort.RetortException as above
   */
  public void write(LongBuffer indices, Network teacher, FloatBuffer images) {
    Arguments.notNull(indices, WRITE, "indices");
    long batch = indices.remaining();
    Arguments.rows(indices, WRITE, "indices", batch);
    Arguments.notNull(teacher, WRITE, "teacher");
    Arguments.notNull(images, WRITE, "images");
    Arguments.numbers(images, WRITE, "images", images.remaining());
    long elements = images.remaining();
    handle.use(
        writer ->
            NativeNetworks.of(teacher)
                .use(
                    network ->
                        retort.write_outputs(writer, indices, network, images, batch, elements)));
  }

  /**
   * Completes the file and moves it into place. Samples without a row are allowed, but reading them
   * is an error. Finishing again has no effect.
   *
   * @throws IllegalStateException if the writer was closed
   * @throws org.retort.FileException if the file can't be written; there is then no file, or the
   *     previous one
   */
  public void finish() {
    handle.use(NativeStoredOutputsWriter::finish);
  }

  /** Frees the writer. Unless it has finished, nothing is left of the file. */
  @Override
  public void close() {
    handle.close();
  }
}
