package org.retort.data;

import java.nio.Buffer;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Makes the batches of an epoch, one after another, from a data set. Meant for one thread, except
 * for {@link #close}, and helped by others; creates no garbage within an epoch, except for the data
 * set's own.
 */
final class BatchReader {
  /** Must be incremented when the same options give different batches than before. */
  private static final int ALGORITHM = 1;

  private final Dataset dataset;
  private final ImageReaders readers;
  private final ImageShape shape;
  private final ImageShape outputShape;
  private final int stepsPerEpoch;
  private final long seed;
  private final Augmentation augmentation;
  private final @Nullable Augmenter augmenter; // null if nothing is augmented
  private final BatchPart[] parts;
  private final @Nullable FloatBuffer raw; // the images to augment
  private final FloatBuffer @Nullable [] rawViews;
  private final Map<Batch, FloatBuffer[]> views = new HashMap<>(); // of batches not augmented
  private final int batchSize;
  private long epoch;
  private int step;

  BatchReader(
      Dataset dataset,
      int stepsPerEpoch,
      long seed,
      Augmentation augmentation,
      int threads,
      BatchPart... parts) {
    this.dataset = dataset;
    readers = new ImageReaders(dataset, threads);
    this.stepsPerEpoch = stepsPerEpoch;
    this.seed = seed;
    this.augmentation = augmentation;
    this.parts = parts;
    shape = dataset.shape();
    outputShape = augmentation.outputShape(shape);
    int size = 0;
    for (BatchPart part : parts) {
      size += part.ownCount();
    }
    batchSize = size;
    boolean augments = !augmentation.equals(Augmentation.none());
    augmenter = augments ? new Augmenter(augmentation, shape) : null;
    raw = augments ? allocate(shape).images() : null;
    rawViews = augments ? readers.views(raw) : null;
  }

  /** Returns a new batch that {@link #read} can fill. */
  Batch newBatch() {
    Batch batch = allocate(outputShape);
    if (augmenter == null) {
      views.put(batch, readers.views(batch.images()));
    }
    return batch;
  }

  private Batch allocate(ImageShape images) {
    return Batch.allocate(batchSize, images.channels(), images.height(), images.width());
  }

  int stepsPerEpoch() {
    return stepsPerEpoch;
  }

  /** Returns a hash of everything that decides what is read. */
  long fingerprint() {
    Fingerprint fingerprint =
        new Fingerprint().add(ALGORITHM).add(dataset.fingerprint()).add(stepsPerEpoch).add(seed);
    augmentation.addTo(fingerprint);
    for (BatchPart part : parts) {
      part.addTo(fingerprint);
    }
    return fingerprint.value();
  }

  /** Moves to batch {@code firstStep} of an epoch. Reads nothing. */
  void start(int firstEpoch, int firstStep) {
    epoch = firstEpoch;
    step = firstStep;
    SplittableRandom seeds = new SplittableRandom(SplitMix64.hash(SplitMix64.hash(seed) + epoch));
    for (BatchPart part : parts) {
      part.start(seeds.split(), step);
    }
  }

  /** Reads the next batch of the epoch; returns false if this reader was closed. */
  boolean read(Batch batch) {
    batch.clear();
    for (BatchPart part : parts) {
      int first = batch.labels().position();
      part.choose(dataset, batch);
      if (!fill(batch, first, part.round(epoch, step, stepsPerEpoch))) {
        return false;
      }
    }
    batch.flip();
    step++;
    return true;
  }

  /** Ends the reading threads once their images are read; {@link #read} then fails. */
  void close() {
    readers.close();
  }

  /** Reads and augments the images whose indices are in the batch from {@code first} on. */
  private boolean fill(Batch batch, int first, long round) {
    int end = batch.indices().position();
    if (end == first) {
      return true; // other ranks have all of this part
    }
    if (augmenter != null) {
      if (!readers.read(batch, rawViews, first, first, end)) {
        return false;
      }
      augment(batch, first, end, round);
    } else if (!readers.read(batch, views.get(batch), 0, first, end)) {
      return false;
    }
    batch.images().position(end * outputShape.values());
    return true;
  }

  private void augment(Batch batch, int first, int end, long round) {
    int values = outputShape.values();
    FloatBuffer images = batch.images();
    window(raw, 0, (end - first) * shape.values());
    window(images, first * values, end * values);
    window(batch.indices(), first, end);
    augmenter.apply(raw, batch.indices(), images, seed, round);
    images.limit(images.capacity());
    window(batch.indices(), end, batch.indices().capacity());
  }

  private static void window(Buffer buffer, int first, int end) {
    buffer.limit(end).position(first);
  }
}
