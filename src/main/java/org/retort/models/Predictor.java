package org.retort.models;

import static org.retort.internal.Arguments.check;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.retort.bindings.NativePredictor;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeHandle;
import org.retort.internal.NativeNetworks;
import org.retort.internal.NativePreprocessings;

/**
 * Serves a network: predicts from raw images, floats or unsigned bytes, with the weights that were
 * last {@linkplain Network#publish published}, as {@link Network#predict} does.
 *
 * <p>Images are prepared as the network was trained, by the {@link Preprocessing} that it keeps, so
 * that serving can't differ from training. Any number of threads may use a predictor at once, and
 * none waits for a training step. It shares the native network: it stays usable when the network is
 * closed.
 *
 * <pre>{@code
 * try (Predictor predictor = Predictor.of(student, List.of("cat", "dog", "ship"))) {
 *   List<Prediction> best = predictor.top(2, pixels); // the two most probable classes of an image
 * }
 * }</pre>
 */
public final class Predictor implements AutoCloseable {
  private static final String NAME = "Predictor";
  private static final String LOGITS = NAME + ".logits";
  private static final String PROBABILITIES = NAME + ".probabilities";
  private static final String TOP = NAME + ".top";

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

  private List<Prediction> top(int count, Buffer image) {
    Arguments.atLeast(count, 1, TOP, "count");
    long elements = image.remaining();
    int classes =
        handle.ask(
            predictor -> {
              long sampleSize = sampleSize(predictor, TOP);
              check(
                  elements == sampleSize,
                  "%s: image must hold %s elements (got %s)",
                  TOP,
                  sampleSize,
                  elements);
              return (int) retort.classes(predictor);
            });
    List<String> names = description.classNames();
    check(
        names.isEmpty() || names.size() == classes,
        "%s: class names must be one for each of the %s classes (got %s)",
        TOP,
        classes,
        names.size());
    FloatBuffer probabilities = direct(classes * Float.BYTES).asFloatBuffer();
    predict(image, probabilities, TOP, "probabilities", true);
    return IntStream.range(0, classes)
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
