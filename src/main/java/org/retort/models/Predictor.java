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
 * Serves a network: predicts from files of pictures, rows of tables and raw images, floats or
 * unsigned bytes, with the weights that were last {@linkplain Network#publish published}, as {@link
 * Network#predict} does.
 *
 * <p>Images are prepared as the network was trained, by the {@link Preprocessing} that it keeps, so
 * that serving can't differ from training. Any number of threads may use a predictor at once, and
 * none waits for a training step. It shares the native network: it stays usable when the network is
 * closed.
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
   * Serves the network in a folder that {@link SavedModel#save} or {@code retort distill} wrote. A
   * TorchScript file, such as that in the folder, is a program: load only folders you trust.
   *
   * @param folder the folder, in the default file system
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if the folder is null or in another file system
   * @throws IllegalStateException if the network is one for tables, but commons-csv is not on the
   *     class path
   * @throws org.retort.FileException if a file is missing, damaged or not of the others
   */
  public static Predictor load(Path folder) {
    return SavedModel.load(
        NAME + ".load",
        folder,
        network -> description -> new Predictor(retort.new_predictor(network), description));
  }

  /**
   * Tells what the network is.
   *
   * @return the description that was saved with it; of a predictor that was made of a network, one
   *     with the names of the classes alone
   */
  public ModelDescription description() {
    return description;
  }

  /**
   * The number of classes.
   *
   * @return at least 1
   * @throws IllegalStateException if the predictor was closed
   */
  public int classes() {
    return handle.ask(predictor -> Math.toIntExact(retort.classes(predictor)));
  }

  /**
   * Tells how raw images are prepared.
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
   * Serves a network, whose classes are called by their numbers.
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
   * Serves a network with the preprocessing that its weights were published with.
   *
   * @param network the network
   * @param classNames one for each class, in their order; none to call them by their numbers
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
   * Serves a network with images that lie otherwise in memory than those of its training, for
   * example decoded pictures with their channels last.
   *
   * @param network the network
   * @param preprocessing how images are prepared; normalises as the network's, if that has one
   * @param classNames one for each class, in their order; none to call them by their numbers
   * @return a new predictor, which the caller closes
   * @throws IllegalArgumentException if an argument or a name is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.RetortException if the network was trained with another normalisation
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
   * @param images [B, …], of the network's dtype or uint8
   * @return new logits [B, classes], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor or the predictor was closed
   * @throws org.retort.RetortException if the network does not take the images
   */
  public Tensor logits(Tensor images) {
    Arguments.tensor(images, LOGITS, "images");
    return handle.ask(predictor -> predictor.logits(images));
  }

  /**
   * Computes probabilities, the softmax of the logits.
   *
   * @param images [B, …], of the network's dtype or uint8
   * @return new probabilities [B, classes], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor or the predictor was closed
   * @throws org.retort.RetortException if the network does not take the images
   */
  public Tensor probabilities(Tensor images) {
    Arguments.tensor(images, PROBABILITIES, "images");
    return handle.ask(predictor -> predictor.probabilities(images));
  }

  /**
   * Computes logits into the caller's memory, without creating an object.
   *
   * @param images a direct buffer, whose elements from position to limit are whole images
   * @param logits a direct buffer, whose elements from position to limit, one per image and class,
   *     are overwritten if the call succeeds; its position stays
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the logits buffer is read-only
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException if the network is not of float32
   */
  public void logits(FloatBuffer images, FloatBuffer logits) {
    predict(images, logits, LOGITS, "logits", false);
  }

  /**
   * Computes logits of images of unsigned bytes, as {@link #logits(FloatBuffer, FloatBuffer)}.
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
   * Computes probabilities, the softmax of the logits, as {@link #logits(FloatBuffer,
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
   * Computes probabilities of images of unsigned bytes, as {@link #logits(FloatBuffer,
   * FloatBuffer)}.
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
   * @throws IllegalArgumentException if the image is null or of another size, or the count out of
   *     range
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException if the network is not of float32, or there are class names,
   *     but not one for each class
   */
  public List<Prediction> top(int count, float[] image) {
    Arguments.notNull(image, TOP, "image");
    FloatBuffer copy = direct(image.length * Float.BYTES).asFloatBuffer().put(image).flip();
    return top(count, copy);
  }

  /**
   * Predicts the most probable classes of an image of unsigned bytes, as {@link #top(int,
   * float[])}.
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
   * Predicts the most probable classes of a picture in a file, read as {@link #pictureReader} does.
   *
   * @param count how many, at least 1; all if there are fewer
   * @param picture JPEG, PNG or WebP, in any file system
   * @return the classes, the most probable first
   * @throws IllegalArgumentException if the picture is null or the count out of range
   * @throws IllegalStateException if the predictor was closed or the network is not one for
   *     pictures
   * @throws org.retort.FileException if the file is missing, can't be read, is damaged or is no
   *     picture, or a library is missing, see {@link PictureReader}
   * @throws org.retort.RetortException as {@link #top(int, float[])}
   */
  public List<Prediction> top(int count, Path picture) {
    Arguments.notNull(picture, TOP, "picture");
    Arguments.atLeast(count, 1, TOP, "count");
    return top(count, laidOut(reader(TOP).read(picture)));
  }

  /**
   * Predicts the most probable classes of a picture that a stream gives, an upload for example, as
   * {@link #top(int, Path)}.
   *
   * @param count as above
   * @param picture the content of a file, JPEG, PNG or WebP; read to its end, stays open
   * @param name of the file, for messages
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
   * Predicts the most probable classes of a row of a table.
   *
   * @param count how many, at least 1; all if there are fewer
   * @param row its values by the names of their columns, as they would be in a file, see {@link
   *     TableColumns#row}
   * @return the classes, the most probable first
   * @throws IllegalArgumentException if the row is null, lacks a column or has a wrong value, or
   *     the count is out of range
   * @throws IllegalStateException if the predictor was closed or the network is not one for tables
   * @throws org.retort.RetortException as {@link #top(int, float[])}
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
   * Predicts the most probable classes of each image, or row, of a batch, which takes less time
   * than one by one.
   *
   * @param count how many for each, at least 1; all if there are fewer
   * @param images a direct buffer, whose elements from position to limit are whole images
   * @return for each image its classes, the most probable first
   * @throws IllegalArgumentException if the buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the count is out of range
   * @throws IllegalStateException if the predictor was closed or the network's input shape is not
   *     known
   * @throws org.retort.RetortException as {@link #top(int, float[])}
   */
  public List<List<Prediction>> topOfEach(int count, FloatBuffer images) {
    Arguments.notNull(images, TOP_OF_EACH, "images");
    return best(count, images, TOP_OF_EACH);
  }

  /**
   * Makes the reader of {@link #top(int, Path)}, for batches: of the network's input shape and the
   * description's resize. Its values are [C, H, W] even where {@link #preprocessing} wants channels
   * last.
   *
   * @return the reader
   * @throws IllegalStateException if the predictor was closed or the network is not one for
   *     pictures: its input shape is not known or not [1 or 3, H, W], or the description's resize
   *     is too small for it
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

  /** The values of a picture, [C, H, W], as they lie in the memory of raw images. */
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
