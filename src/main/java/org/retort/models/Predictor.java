package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.io.InputStream;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.retort.bindings.NativePredictor;
import org.retort.bindings.NativePreprocessing;
import org.retort.bindings.global.retort;
import org.retort.data.ImageShape;
import org.retort.data.PictureReader;
import org.retort.data.TableColumns;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeHandle;
import org.retort.internal.NativeNetworks;
import org.retort.internal.NativePreprocessings;

/**
 * A predictor that serves a network: it takes picture files, table rows and raw images, as floats
 * or unsigned bytes, and uses the weights last {@linkplain Network#publish published}, like {@link
 * Network#predict}.
 *
 * <p>Images are prepared as in training, by the {@link Preprocessing} that the network keeps, so
 * serving can't differ from training. Any number of threads may use a predictor at once, and none
 * waits for a training step. A predictor shares the native network and stays usable after the
 * network is closed.
 *
 * <pre>{@code
 * try (Predictor predictor = Predictor.load(folder)) {
 *   List<Prediction> best = predictor.top(2, Path.of("photo.jpg")); // the two most probable classes
 * }
 * }</pre>
 */
public final class Predictor implements AutoCloseable {
  private static final String NAME = "Predictor";
  private static final String LOGITS = NAME + ".logits";
  private static final String PROBABILITIES = NAME + ".probabilities";
  private static final String TOP = NAME + ".top";
  private static final String TOP_OF_EACH = NAME + ".topOfEach";

  private final NativeHandle<NativePredictor> handle;
  private final ModelDescription description;

  private Predictor(NativePredictor predictor, ModelDescription description) {
    handle = new NativeHandle<>(NAME, predictor);
    this.description = description;
  }

  /**
   * Creates a predictor for the network in a folder written by {@link SavedModel#save} or {@code
   * retort distill}. A TorchScript file, such as the one in the folder, is a program: load only
   * folders you trust.
   *
   * @param folder the folder, in the default file system
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if the folder is null or in another file system
   * @throws IllegalStateException if the network is for tables but commons-csv is not on the class
   *     path
   * @throws org.retort.FileException if a file is missing, is damaged or does not belong with the
   *     others
   */
  public static Predictor load(Path folder) {
    return SavedModel.load(
        NAME + ".load",
        folder,
        network -> description -> new Predictor(retort.new_predictor(network), description));
  }

  /**
   * Returns the description of the network.
   *
   * @return the description saved with it; for a predictor created from a network, one with only
   *     the class names
   */
  public ModelDescription description() {
    return description;
  }

  /**
   * Returns the number of classes.
   *
   * @return at least 1
   * @throws IllegalStateException if the predictor was closed
   */
  public int classes() {
    return handle.ask(predictor -> Math.toIntExact(retort.classes(predictor)));
  }

  /**
   * Returns how raw images are prepared.
   *
   * @return the preprocessing; without an input shape if the network's is not known
   * @throws IllegalStateException if the predictor was closed
   */
  public Preprocessing preprocessing() {
    return handle.ask(
        predictor -> {
          try (NativePreprocessing options = predictor.preprocessing()) {
            return Preprocessing.of(options);
          }
        });
  }

  /**
   * Creates a predictor for a network whose classes are named by their numbers.
   *
   * @param network the network
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if the network is null
   * @throws IllegalStateException if the network was closed
   */
  public static Predictor of(Network network) {
    return of(network, List.of());
  }

  /**
   * Creates a predictor for a network, with the preprocessing its weights were published with.
   *
   * @param network the network
   * @param classNames one per class, in order; empty to name them by their numbers
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if an argument or a name is null
   * @throws IllegalStateException if the network was closed
   */
  public static Predictor of(Network network, List<String> classNames) {
    Arguments.notNull(network, NAME, "network");
    ModelDescription description = describe(classNames);
    return NativeNetworks.of(network)
        .ask(shared -> new Predictor(retort.new_predictor(shared), description));
  }

  /**
   * Creates a predictor for images whose memory layout differs from that in training, for example
   * decoded pictures with channels last.
   *
   * @param network the network
   * @param preprocessing how images are prepared; must normalise like the network's, if it has one
   * @param classNames one per class, in order; empty to name them by their numbers
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if an argument or a name is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.RetortException if the network was trained with a different normalisation
   */
  public static Predictor of(
      Network network, Preprocessing preprocessing, List<String> classNames) {
    Arguments.notNull(network, NAME, "network");
    Arguments.notNull(preprocessing, NAME, "preprocessing");
    ModelDescription description = describe(classNames);
    NativePredictor[] made = new NativePredictor[1];
    NativeNetworks.of(network)
        .use(
            shared ->
                NativePreprocessings.give(
                    preprocessing, options -> made[0] = retort.new_predictor(shared, options)));
    return new Predictor(made[0], description);
  }

  private static ModelDescription describe(List<String> classNames) {
    return ModelDescription.of("").withClassNames(Arguments.list(classNames, NAME, "class names"));
  }

  /**
   * Computes logits.
   *
   * @param images [B, …], in the network's dtype or uint8
   * @return new logits [B, classes], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor or the predictor was closed
   * @throws org.retort.RetortException if the network does not accept the images
   */
  public Tensor logits(Tensor images) {
    Arguments.tensor(images, LOGITS, "images");
    return handle.ask(predictor -> predictor.logits(images));
  }

  /**
   * Computes probabilities, the softmax of the logits.
   *
   * @param images [B, …], in the network's dtype or uint8
   * @return new probabilities [B, classes], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor or the predictor was closed
   * @throws org.retort.RetortException if the network does not accept the images
   */
  public Tensor probabilities(Tensor images) {
    Arguments.tensor(images, PROBABILITIES, "images");
    return handle.ask(predictor -> predictor.probabilities(images));
  }

  /**
   * Computes logits into the caller's memory, without creating any objects.
   *
   * @param images a direct buffer whose elements from position to limit are whole images
   * @param logits a direct buffer whose elements from position to limit, one per image and class,
   *     are overwritten if the call succeeds; its position does not change
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the logits buffer is read-only
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException if the network is not float32
   */
  public void logits(FloatBuffer images, FloatBuffer logits) {
    predict(images, logits, LOGITS, "logits", false);
  }

  /**
   * Computes logits of unsigned-byte images, like {@link #logits(FloatBuffer, FloatBuffer)}.
   *
   * @param images as above
   * @param logits as above
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void logits(ByteBuffer images, FloatBuffer logits) {
    predict(images, logits, LOGITS, "logits", false);
  }

  /**
   * Computes probabilities, the softmax of the logits, like {@link #logits(FloatBuffer,
   * FloatBuffer)}.
   *
   * @param images as above
   * @param probabilities as logits above
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void probabilities(FloatBuffer images, FloatBuffer probabilities) {
    predict(images, probabilities, PROBABILITIES, "probabilities", true);
  }

  /**
   * Computes probabilities of unsigned-byte images, like {@link #logits(FloatBuffer, FloatBuffer)}.
   *
   * @param images as above
   * @param probabilities as logits above
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public void probabilities(ByteBuffer images, FloatBuffer probabilities) {
    predict(images, probabilities, PROBABILITIES, "probabilities", true);
  }

  private void predict(
      Buffer images, FloatBuffer numbers, String function, String argument, boolean softmax) {
    NativePredictor predictor = handle.acquire(); // not use(), whose lambda would be garbage
    try {
      long sampleSize = sampleSize(predictor, function);
      long batch =
          images instanceof ByteBuffer bytes
              ? Arguments.batch(bytes, function, sampleSize)
              : Arguments.batch((FloatBuffer) images, function, sampleSize);
      Arguments.writable(numbers, function, argument, batch * retort.classes(predictor));
      long elements = images.remaining();
      long size = numbers.remaining();
      if (images instanceof ByteBuffer bytes) {
        retort.predict(predictor, bytes, numbers, elements, size, softmax);
      } else {
        retort.predict(predictor, (FloatBuffer) images, numbers, elements, size, softmax);
      }
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /**
   * Predicts the most probable classes of an image.
   *
   * @param count how many, at least 1; all if there are fewer
   * @param image the image
   * @return the classes, the most probable first
   * @throws IllegalArgumentException if the image is null or of the wrong size, or the count is out
   *     of range
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException if the network is not float32, or there are class names but
   *     not one per class
   */
  public List<Prediction> top(int count, float[] image) {
    Arguments.notNull(image, TOP, "image");
    FloatBuffer copy = direct(image.length * Float.BYTES).asFloatBuffer().put(image).flip();
    return top(count, copy);
  }

  /**
   * Predicts the most probable classes of an unsigned-byte image, like {@link #top(int, float[])}.
   *
   * @param count as above
   * @param image the image
   * @return the classes, the most probable first
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.RetortException as above
   */
  public List<Prediction> top(int count, byte[] image) {
    Arguments.notNull(image, TOP, "image");
    return top(count, direct(image.length).put(image).flip());
  }

  /**
   * Predicts the most probable classes of a picture in a file, which is read as by {@link
   * #pictureReader}.
   *
   * @param count how many, at least 1; all if there are fewer
   * @param picture JPEG, PNG or WebP, in any file system
   * @return the classes, the most probable first
   * @throws IllegalArgumentException if the picture is null or the count is out of range
   * @throws IllegalStateException if the predictor was closed or the network is not for pictures
   * @throws org.retort.FileException if the file is missing, can't be read, is damaged or is not a
   *     picture, or if a library is missing, see {@link PictureReader}
   * @throws org.retort.RetortException as for {@link #top(int, float[])}
   */
  public List<Prediction> top(int count, Path picture) {
    Arguments.notNull(picture, TOP, "picture");
    Arguments.atLeast(count, 1, TOP, "count");
    return top(count, laidOut(reader(TOP).read(picture)));
  }

  /**
   * Predicts the most probable classes of a picture read from a stream, for example an upload, like
   * {@link #top(int, Path)}.
   *
   * @param count as above
   * @param picture the content of a file, JPEG, PNG or WebP; read to its end, not closed
   * @param name the file's name, for messages
   * @return the classes, the most probable first
   * @throws IllegalArgumentException as above
   * @throws IllegalStateException as above
   * @throws org.retort.FileException as above
   * @throws org.retort.RetortException as above
   */
  public List<Prediction> top(int count, InputStream picture, String name) {
    Arguments.notNull(picture, TOP, "picture");
    Arguments.notNull(name, TOP, "name");
    Arguments.atLeast(count, 1, TOP, "count");
    return top(count, laidOut(reader(TOP).read(picture, name)));
  }

  /**
   * Predicts the most probable classes of a table row.
   *
   * @param count how many, at least 1; all if there are fewer
   * @param row its values by column name, as they would appear in a file, see {@link
   *     TableColumns#row}
   * @return the classes, the most probable first
   * @throws IllegalArgumentException if the row is null, lacks a column or has an invalid value, or
   *     the count is out of range
   * @throws IllegalStateException if the predictor was closed or the network is not for tables
   * @throws org.retort.RetortException as for {@link #top(int, float[])}
   */
  public List<Prediction> top(int count, Map<String, @Nullable String> row) {
    Arguments.notNull(row, TOP, "row");
    Arguments.atLeast(count, 1, TOP, "count");
    TableColumns columns =
        description
            .columns()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        TOP + ": network must be one for tables (got one without columns)"));
    return top(count, columns.row(row));
  }

  /**
   * Predicts the most probable classes of each image or row in a batch, which takes less time than
   * predicting one by one.
   *
   * @param count how many per image, at least 1; all if there are fewer
   * @param images a direct buffer whose elements from position to limit are whole images
   * @return the classes of each image, the most probable first
   * @throws IllegalArgumentException if the buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the count is out of range
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException as for {@link #top(int, float[])}
   */
  public List<List<Prediction>> topOfEach(int count, FloatBuffer images) {
    Arguments.notNull(images, TOP_OF_EACH, "images");
    return best(count, images, TOP_OF_EACH);
  }

  /**
   * Creates the reader that {@link #top(int, Path)} uses, for batches: it has the network's input
   * shape and the description's resize. Its values are [C, H, W] even where {@link #preprocessing}
   * expects channels last.
   *
   * @return the reader
   * @throws IllegalStateException if the predictor was closed or the network is not for pictures:
   *     its input shape is not known or not [1 or 3, H, W], or the description's resize is too
   *     small for it
   */
  public PictureReader pictureReader() {
    return reader(NAME + ".pictureReader");
  }

  private PictureReader reader(String function) {
    List<Long> shape = preprocessing().inputShape();
    boolean isOfPictures = shape.size() == 3 && (shape.get(0) == 1 || shape.get(0) == 3);
    if (!isOfPictures) {
      throw new IllegalStateException(
          function + ": network must be one for pictures, [1 or 3, H, W] (got " + shape + ")");
    }
    try {
      return new PictureReader(
          new ImageShape(shape.get(0).intValue(), shape.get(1).intValue(), shape.get(2).intValue()),
          description.resize());
    } catch (IllegalArgumentException wrong) {
      throw new IllegalStateException(
          function + ": description must fit the network (got " + wrong.getMessage() + ")", wrong);
    }
  }

  /** Returns the values of a picture, [C, H, W], in the memory layout of raw images. */
  private float[] laidOut(float[] planes) {
    Preprocessing preprocessing = preprocessing();
    int channels = preprocessing.inputShape().get(0).intValue();
    if (!preprocessing.channelsLast() || channels == 1) {
      return planes;
    }
    float[] pixels = new float[planes.length];
    int size = planes.length / channels;
    for (int i = 0; i < planes.length; i++) {
      pixels[i % size * channels + i / size] = planes[i];
    }
    return pixels;
  }

  private List<Prediction> top(int count, Buffer image) {
    long elements = image.remaining();
    long sampleSize = handle.ask(predictor -> sampleSize(predictor, TOP));
    check(
        elements == sampleSize,
        "%s: image must hold %s elements (got %s)",
        TOP,
        sampleSize,
        elements);
    return best(count, image, TOP).get(0);
  }

  private List<List<Prediction>> best(int count, Buffer images, String function) {
    Arguments.atLeast(count, 1, function, "count");
    long sampleSize = handle.ask(predictor -> sampleSize(predictor, function));
    int classes = handle.ask(predictor -> (int) retort.classes(predictor));
    List<String> names = description.classNames();
    check(
        names.isEmpty() || names.size() == classes,
        "%s: class names must be one for each of the %s classes (got %s)",
        function,
        classes,
        names.size());
    int batch = (int) Arguments.batch(images.remaining(), function, sampleSize);
    FloatBuffer probabilities = direct(batch * classes * Float.BYTES).asFloatBuffer();
    predict(images, probabilities, function, "probabilities", true);
    return IntStream.range(0, batch)
        .mapToObj(image -> best(count, probabilities.slice(image * classes, classes)))
        .toList();
  }

  private List<Prediction> best(int count, FloatBuffer probabilities) {
    return IntStream.range(0, probabilities.limit())
        .mapToObj(label -> new Prediction(label, name(label), probabilities.get(label)))
        .sorted(Comparator.comparing(Prediction::probability, Comparator.reverseOrder()))
        .limit(count)
        .toList();
  }

  private String name(int label) {
    List<String> names = description.classNames();
    return names.isEmpty() ? String.valueOf(label) : names.get(label);
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  private static long sampleSize(NativePredictor predictor, String function) {
    long size = retort.sample_size(predictor);
    if (size == 0) {
      throw new IllegalStateException(
          function + ": input shape must be known, call probe first (got none)");
    }
    return size;
  }

  /** Frees the predictor once running calls have ended. Closing it again has no effect. */
  @Override
  public void close() {
    handle.close();
  }
}
