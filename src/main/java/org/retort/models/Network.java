package org.retort.models;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.bindings.NativeBytes;
import org.retort.bindings.NativeNetwork;
import org.retort.bindings.NativePreprocessing;
import org.retort.bindings.global.retort;
import org.retort.bindings.global.retort.NativeConvolution;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.FlightRecorder;
import org.retort.internal.NamedTensors;
import org.retort.internal.NativeEnums;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeHandle;
import org.retort.internal.NativeNetworks;
import org.retort.internal.NativePreprocessings;
import org.retort.internal.PublishEvent;
import org.retort.internal.StringLists;

/**
 * Anything that maps a batch of images to logits and named features ("taps").
 *
 * <p>A network holds its current weights, which training updates, and the weights last published.
 * {@link #predict(Tensor)} uses the published weights; all other methods use the current ones.
 *
 * <p>A network is thread-safe. Calls that run it, or read or change its weights, wait for each
 * other and for training steps on it; names, shapes and predictions with published weights do not
 * wait. A training step keeps the native network alive, so a network may be closed before a step
 * built on it.
 */
public abstract sealed class Network implements AutoCloseable
    permits ExportedNetwork,
        Mlp,
        MobileNetV2,
        NamedNetwork,
        ResNet,
        ShuffleNetV1,
        ShuffleNetV2,
        TorchScriptNetwork,
        Vgg,
        WideResNet {
  static {
    NativeNetworks.setHandles(network -> ((Network) network).handle);
  }

  private final String name;
  private final String predict; // built once, so that calls allocate nothing
  private final NativeHandle<NativeNetwork> handle;

  Network(String name, NativeNetwork network) {
    this.name = name;
    predict = name + ".predict";
    handle = new NativeHandle<>(name, network);
  }

  /**
   * Returns the names of the taps. Those of a {@link TorchScriptNetwork} loaded without names are
   * known after {@link #probe} or once a training step has been built on it.
   *
   * @return the names, in the network's order
   */
  public final List<String> taps() {
    return handle.ask(
        network -> {
          try (StringVector names = network.tap_names()) {
            return StringLists.toList(names);
          }
        });
  }

  /**
   * Determines the output shapes for an input shape by running one forward pass in evaluation mode,
   * without side effects. Building a training step does this too.
   *
   * @param inputShape the shape of one image, without the batch
   * @throws IllegalArgumentException if the shape is null, empty or not positive
   * @throws org.retort.RetortException if the network does not accept such images or does not
   *     return logits and features
   */
  public final void probe(long... inputShape) {
    Arguments.shape(inputShape, name + ".probe", "input shape");
    handle.use(
        network -> {
          try (LongVector shape = new LongVector(inputShape)) {
            network.probe(shape);
          }
        });
  }

  /**
   * Returns how {@link #predict}, {@link #accuracy} and predictors prepare images, which is also
   * the default of a training step on the network: the preprocessing of the last training step that
   * was built on it with one, or of the file that weights were loaded from. By default, floats stay
   * as they are.
   *
   * @return the preprocessing; without an input shape until it is known
   */
  public final Preprocessing preprocessing() {
    return handle.ask(
        network -> {
          try (NativePreprocessing options = network.preprocessing()) {
            return Preprocessing.of(options);
          }
        });
  }

  /**
   * Sets how images are prepared, for a network trained elsewhere. Published weights keep the
   * preprocessing they were published with.
   *
   * @param preprocessing the preprocessing
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   */
  public final void setPreprocessing(Preprocessing preprocessing) {
    Arguments.notNull(preprocessing, name + ".setPreprocessing", "preprocessing");
    handle.use(network -> NativePreprocessings.give(preprocessing, network::set_preprocessing));
  }

  /**
   * Returns the algorithm of the network's 3×3 convolutions.
   *
   * @return the algorithm; {@link Convolution#WINOGRAD} unless set otherwise
   * @throws IllegalStateException if the network was closed
   */
  public final Convolution convolution() {
    return handle.ask(
        network -> NativeEnums.from(network.convolution().intern(), Convolution.class));
  }

  /**
   * Sets the algorithm of the network's 3×3 convolutions, for training and prediction, including
   * prediction with published weights. Weight files and checkpoints do not contain it.
   *
   * @param algorithm the algorithm
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   */
  public final void setConvolution(Convolution algorithm) {
    Arguments.notNull(algorithm, name + ".setConvolution", "algorithm");
    handle.use(
        network -> network.set_convolution(NativeEnums.of(algorithm, NativeConvolution.class)));
  }

  /**
   * Returns the shape of one image.
   *
   * @return the shape without the batch; empty before {@link #probe}
   */
  public final long[] inputShape() {
    return handle.ask(
        network -> {
          try (LongVector shape = network.input_shape()) {
            return toArray(shape);
          }
        });
  }

  /**
   * Returns the shape of a tap.
   *
   * @param tap its name
   * @return the shape without the batch
   * @throws org.retort.RetortException if there is no such tap or {@link #probe} was not called
   */
  public final long[] tapShape(String tap) {
    Arguments.notNull(tap, name + ".tapShape", "tap");
    return handle.ask(
        network -> {
          try (LongVector shape = network.tap_shape(tap)) {
            return toArray(shape);
          }
        });
  }

  /**
   * Returns the number of classes.
   *
   * @return the count; 0 before {@link #probe}
   */
  public final long classes() {
    return handle.ask(NativeNetwork::classes);
  }

  /**
   * Returns the number of elements of all parameters.
   *
   * @return the count
   */
  public final long parameterCount() {
    return handle.ask(NativeNetwork::parameter_count);
  }

  /**
   * Returns the names of the modules up to the last feature map, for a first stage that trains only
   * these layers, as FSP's does. For a native network of the CIFAR family, they are those in
   * RepDistiller's {@code get_feat_modules} that have parameters.
   *
   * @return the names, in the order of the forward pass
   * @throws org.retort.RetortException if the network is a {@link TorchScriptNetwork}, whose
   *     structure is unknown
   */
  public final List<String> backbone() {
    return handle.ask(
        network -> {
          try (StringVector names = network.backbone()) {
            return StringLists.toList(names);
          }
        });
  }

  /**
   * Returns the name of the BatchNorm layer before a tap, for {@link
   * org.retort.losses.OfdLoss#ofTeacherMargins}: the tap is the layer's output, plus the shortcut
   * in a residual network. For a native network of the CIFAR family, it is the one in
   * RepDistiller's {@code get_bn_before_relu}.
   *
   * @param tap the tap's name, for example {@code layer2.pre}
   * @return the layer's name
   * @throws IllegalArgumentException if it is null
   * @throws org.retort.RetortException if there is no such tap, no BatchNorm before it, or the
   *     network is a {@link TorchScriptNetwork}, whose structure is unknown
   */
  public final String normBefore(String tap) {
    Arguments.notNull(tap, name + ".normBefore", "tap");
    return handle.ask(network -> network.norm_before(tap));
  }

  /**
   * Publishes the current weights: predictions use them until the next call. Training and {@link
   * #convert} do not change the published weights; {@link #loadStateDict} publishes the loaded
   * ones. Waits for a running training step, then takes as long as copying the weights, and
   * somewhat longer the first time.
   *
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.RetortException if a program holds something that can't be copied; the
   *     previously published weights stay in use
   */
  public final void publish() {
    PublishEvent event = FlightRecorder.isAvailable() ? PublishEvent.start() : null;
    handle.use(NativeNetwork::publish);
    if (event != null) {
      event.commit(getClass().getSimpleName());
    }
  }

  /**
   * Computes logits in evaluation mode, without gradients, with the weights last {@linkplain
   * #publish published}. Any number of threads may predict concurrently, and none waits for a
   * training step.
   *
   * <p>Until {@link #publish} is called, the network is published automatically whenever its
   * weights have changed. Only the first call waits for a running step; later calls use the last
   * published weights while a step is running.
   *
   * <p>Predictions are serialised only if the program of a {@link TorchScriptNetwork} changes its
   * own state in evaluation mode; such changes affect the published version alone.
   *
   * @param images [B, …], in the network's dtype or uint8, prepared by the {@link #preprocessing}
   * @return new logits [B, classes], which the caller closes
   * @throws IllegalArgumentException if the tensor is null or undefined
   * @throws IllegalStateException if the tensor or the network was closed
   * @throws org.retort.RetortException if the network does not accept the images
   */
  public final Tensor predict(Tensor images) {
    Arguments.tensor(images, predict, "images");
    return handle.ask(network -> network.predict(images));
  }

  /**
   * Computes logits like {@link #predict(Tensor)}, from images in memory that are read without a
   * copy.
   *
   * @param images a direct buffer whose elements from position to limit are images of {@link
   *     #inputShape()}
   * @return new logits [B, classes], which the caller closes
   * @throws IllegalArgumentException if the buffer is null, not direct or does not hold whole
   *     images
   * @throws IllegalStateException if the network was closed or its input shape is not known
   * @throws org.retort.RetortException if the network is not float32
   */
  public final Tensor predict(FloatBuffer images) {
    return handle.ask(
        network -> {
          Arguments.batch(images, predict, sampleSize(network, "predict"));
          return retort.predict(network, images, images.remaining());
        });
  }

  /**
   * Computes logits like {@link #predict(FloatBuffer)} and writes them into the caller's memory.
   * This form is meant for services and allocates nothing.
   *
   * @param images a direct buffer whose elements from position to limit are images of {@link
   *     #inputShape()}
   * @param logits a direct buffer whose elements from position to limit, {@link #classes()} per
   *     image, are overwritten if the call succeeds; its position does not change
   * @throws IllegalArgumentException if a buffer is null, not direct, not in native byte order or
   *     of the wrong size, or the logits buffer is read-only
   * @throws IllegalStateException if the network was closed or its input shape is not known
   * @throws org.retort.RetortException if the network is not float32
   */
  public final void predict(FloatBuffer images, FloatBuffer logits) {
    NativeNetwork network = handle.acquire();
    try {
      long batch = Arguments.batch(images, predict, sampleSize(network, "predict"));
      Arguments.writable(logits, predict, "logits", batch * network.classes());
      retort.predict(network, images, logits, images.remaining(), logits.remaining());
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      handle.release();
    }
  }

  /**
   * Returns the fraction of the labelled images whose label has the largest logit, in evaluation
   * mode.
   *
   * @param images [B, …], in the network's dtype or uint8, prepared by the {@link #preprocessing}
   * @param labels int64 [B]; −1 marks an unlabelled image, which is ignored
   * @return between 0 and 1
   * @throws IllegalArgumentException if a tensor is null or undefined
   * @throws IllegalStateException if a tensor or the network was closed
   * @throws org.retort.RetortException if images or labels don't fit, or no image has a label
   */
  public final double accuracy(Tensor images, Tensor labels) {
    Arguments.tensor(images, name + ".accuracy", "images");
    Arguments.tensor(labels, name + ".accuracy", "labels");
    return handle.ask(network -> network.accuracy(images, labels));
  }

  /**
   * Returns the fraction of the labelled images whose label has the largest logit, in evaluation
   * mode, from memory that is read without a copy.
   *
   * @param images a direct buffer whose elements from position to limit are images of {@link
   *     #inputShape()}
   * @param labels a direct buffer with one label per image; −1 marks an unlabelled image, which is
   *     ignored
   * @return between 0 and 1
   * @throws IllegalArgumentException if a buffer is null, not direct or of the wrong size
   * @throws IllegalStateException if the network was closed or its input shape is not known
   * @throws org.retort.RetortException if a label is out of range, or no image has one
   */
  public final double accuracy(FloatBuffer images, LongBuffer labels) {
    String function = name + ".accuracy";
    return handle.ask(
        network -> {
          long batch = Arguments.batch(images, function, sampleSize(network, "accuracy"));
          Arguments.notNull(labels, function, "labels");
          Arguments.rows(labels, function, "labels", batch);
          return retort.accuracy(network, images, labels, images.remaining(), batch);
        });
  }

  /**
   * Converts floating-point parameters and buffers. Call it before a training step is built on the
   * network.
   *
   * @param dtype the new dtype, for example {@code ScalarType.Double}
   * @throws IllegalArgumentException if it is null
   * @throws org.retort.RetortException if it is not a floating-point type
   */
  public final void convert(ScalarType dtype) {
    Arguments.notNull(dtype, name + ".convert", "dtype");
    handle.use(network -> retort.convert(network, dtype.value));
  }

  /**
   * Moves parameters and buffers to another device. Call it before a training step is built on the
   * network. Batches for training and prediction may stay on the CPU.
   *
   * @param device {@code cpu}, {@code cuda} or, for example, {@code cuda:1}
   * @throws IllegalArgumentException if it is null
   * @throws org.retort.RetortException if there is no such device; for CUDA, the message says what
   *     is missing
   */
  public final void moveTo(String device) {
    Arguments.notNull(device, name + ".moveTo", "device");
    handle.use(network -> network.move_to(device));
  }

  /**
   * Returns parameters and buffers by name, in the order of PyTorch's {@code state_dict}.
   *
   * @return new tensors that share the network's memory; the caller closes them
   */
  public final Map<String, Tensor> stateDict() {
    return handle.ask(
        network -> {
          try (StringTensorDict state = network.state_dict()) {
            return NamedTensors.toMap(state);
          }
        });
  }

  /**
   * Writes {@link #stateDict()} to a file that Python reads with {@code torch.load(path,
   * weights_only=True)}. The write is atomic: the file is written under a temporary name, synced
   * and renamed. In a file system other than the default, such as that of a zip file, it is written
   * under a temporary name and moved.
   *
   * @param file where to write
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if it can't be written; a previous file is kept
   */
  public final void saveStateDict(Path file) {
    NativeFiles.save(
        name + ".saveStateDict",
        file,
        path -> handle.use(network -> retort.save_state_dict(network, path)),
        bytes -> handle.use(network -> retort.save_state_dict(network, bytes)));
  }

  /**
   * Writes the same content as {@link #saveStateDict(Path)} to a stream. Nothing waits for the
   * stream: training steps continue meanwhile.
   *
   * @param stream where to write; flushed, but not closed
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause
   */
  public final void saveStateDict(OutputStream stream) {
    NativeFiles.save(
        name + ".saveStateDict",
        stream,
        bytes -> handle.use(network -> retort.save_state_dict(network, bytes)));
  }

  /**
   * Loads a state dict written by {@link #saveStateDict} or by Python's {@code torch.save}, alone
   * or under the key {@code model}, {@code state_dict} or {@code model_state_dict} of a checkpoint,
   * and publishes the weights if the network has been published. Names and shapes must match
   * exactly; dtypes are converted.
   *
   * @param file the file to read, in any file system
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if the file is missing, not a state dict, or one of its
   *     entries does not fit; nothing is changed in that case
   */
  public final void loadStateDict(Path file) {
    NativeFiles.load(
        name + ".loadStateDict",
        file,
        path ->
            handle.ask(
                network -> {
                  retort.load_state_dict(network, path);
                  return this;
                }),
        this::loaded);
  }

  /**
   * Loads a state dict from a stream, like {@link #loadStateDict(Path)}. The stream is read to its
   * end before anything else happens.
   *
   * @param stream the stream to read; not closed
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause, is not a state dict, or one of its entries does not fit; nothing is changed in
   *     that case
   */
  public final void loadStateDict(InputStream stream) {
    NativeFiles.load(name + ".loadStateDict", stream, this::loaded);
  }

  /**
   * Loads a state dict from memory, like {@link #loadStateDict(Path)}.
   *
   * @param bytes the whole content of a file
   * @throws IllegalArgumentException if the bytes are null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if the bytes are not a state dict, or one of its entries does
   *     not fit; nothing is changed in that case
   */
  public final void loadStateDict(byte[] bytes) {
    NativeFiles.load(name + ".loadStateDict", bytes, this::loaded);
  }

  private Network loaded(NativeBytes bytes) {
    handle.use(network -> retort.load_state_dict(network, bytes));
    return this;
  }

  /**
   * Writes the network as a TorchScript module in its current mode, for {@link
   * TorchScriptNetwork#load}, Python's {@code torch.jit.load} or LibTorch. Parameters and buffers
   * have the same names as in {@link #stateDict()}. The module of a native network returns {@code
   * (logits, features)} with the tap names as keys; that of a {@link TorchScriptNetwork} returns
   * what the loaded one returned. The write is atomic, like that of {@link #saveStateDict(Path)}.
   *
   * @param file where to write
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if it can't be written; a previous file is kept
   */
  public final void saveTorchScript(Path file) {
    NativeFiles.save(
        name + ".saveTorchScript",
        file,
        path -> handle.use(network -> retort.save_torchscript(network, path)),
        bytes -> handle.use(network -> retort.save_torchscript(network, bytes)));
  }

  /**
   * Writes the same content as {@link #saveTorchScript(Path)} to a stream. Nothing waits for the
   * stream: training steps continue meanwhile.
   *
   * @param stream where to write; flushed, but not closed
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the network was closed
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause
   */
  public final void saveTorchScript(OutputStream stream) {
    NativeFiles.save(
        name + ".saveTorchScript",
        stream,
        bytes -> handle.use(network -> retort.save_torchscript(network, bytes)));
  }

  /**
   * Frees the native network, unless a training step still uses it. Closing it again has no effect.
   */
  @Override
  public final void close() {
    handle.close();
  }

  private long sampleSize(NativeNetwork network, String method) {
    long size = retort.sample_size(network);
    if (size == 0) {
      throw new IllegalStateException(
          name + "." + method + ": input shape must be known, call probe first (got none)");
    }
    return size;
  }

  private static long[] toArray(LongVector vector) {
    long[] array = new long[(int) vector.size()];
    for (int i = 0; i < array.length; i++) {
      array[i] = vector.get(i);
    }
    return array;
  }
}
