package org.retort.data;

import java.nio.Buffer;
import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Makes the batches of an epoch, one after the other, from a data set. Meant for one thread; makes
 * no garbage within an epoch, but for what the data set leaves.
 */
final class BatchReader {
  /** To be counted up when the same options give other batches than they did. */
  private static final int ALGORITHM = 1;

  private final Dataset dataset;
  private final ImageShape shape;
  private final ImageShape outputShape;
  private final int stepsPerEpoch;
  private final long seed;
  private final Augmentation augmentation;
  private final @Nullable Augmenter augmenter; // null if nothing is augmented
  private final BatchPart[] parts;
  private final @Nullable FloatBuffer raw; // what is augmented
  private final int batchSize;
  private long epoch;
  private int step;

  BatchReader(
      Dataset dataset,
      int stepsPerEpoch,
      long seed,
      Augmentation augmentation,
      BatchPart... parts) {
    this.dataset = dataset;
    this.stepsPerEpoch = stepsPerEpoch;
    this.seed = seed;
    this.augmentation = augmentation;
    this.parts = parts;
    shape = dataset.shape();
    outputShape = augmentation.outputShape(shape);
    int size = 0;
    for (BatchPart part : parts) {
      size += part.count();
    }
    batchSize = size;
    boolean augments = !augmentation.equals(Augmentation.none());
    augmenter = augments ? new Augmenter(augmentation, shape) : null;
    raw = augments ? allocate(shape).images() : null;
  }

  /** A batch that {@link #read} can fill. */
  Batch newBatch() {
    return allocate(outputShape);
  }

  private Batch allocate(ImageShape images) {
    return Batch.allocate(batchSize, images.channels(), images.height(), images.width());
  }

  int stepsPerEpoch() {
    return stepsPerEpoch;
  }

  /** A hash of all that decides what is read. */
  long fingerprint() {
    Fingerprint fingerprint =
        new Fingerprint()
            .add(ALGORITHM)
            .add(dataset.fingerprint())
            .add(stepsPerEpoch)
            .add(seed);
    augmentation.addTo(fingerprint);
    for (BatchPart part : parts) {
      part.addTo(fingerprint);
    }
    return fingerprint.value();
  }

  /** Goes to the batch {@code firstStep} of an epoch. Reads nothing. */
  void start(int firstEpoch, int firstStep) {
    epoch = firstEpoch;
    step = firstStep;
    SplittableRandom seeds = new SplittableRandom(SplitMix64.hash(SplitMix64.hash(seed) + epoch));
    for (BatchPart part : parts) {
      part.start(seeds.split(), step);
    }
  }

  /** Reads the next batch of the epoch. */
  void read(Batch batch) {
    batch.clear();
    for (BatchPart part : parts) {
      int first = batch.labels().position();
      part.choose(dataset, batch);
      fill(batch, first, part.round(epoch, step, stepsPerEpoch));
    }
    batch.flip();
    step++;
  }

  /** Reads and augments the images whose indices are there from {@code first} on. */
  private void fill(Batch batch, int first, long round) {
    int end = batch.indices().position();
    FloatBuffer target = augmenter == null ? batch.images() : raw.clear();
    for (int i = first; i < end; i++) {
      int before = target.position();
      dataset.read((int) batch.indices().get(i), target);
      requireWhole(target.position() - before);
    }
    if (augmenter != null) {
      augment(batch, first, end, round);
    }
  }

  private void augment(Batch batch, int first, int end, long round) {
    int values = outputShape.values();
    FloatBuffer images = batch.images();
    raw.flip();
    window(images, first * values, end * values);
    window(batch.indices(), first, end);
    augmenter.apply(raw, batch.indices(), images, seed, round);
    window(images, end * values, images.capacity());
    window(batch.indices(), end, batch.indices().capacity());
  }

  private static void window(Buffer buffer, int first, int end) {
    buffer.limit(end).position(first);
  }

  private void requireWhole(int read) {
    if (read != shape.values()) {
      throw new IllegalStateException(
          "Dataset.read: image must have " + shape.values() + " values (got " + read + ")");
    }
  }
}
