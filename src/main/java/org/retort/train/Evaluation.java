package org.retort.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.retort.bindings.global.retort;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.internal.Arguments;
import org.retort.internal.NativeNetworks;
import org.retort.models.Network;

/** Evaluates networks on data that is read batch by batch and so need not fit into memory. */
public final class Evaluation {
  private static final String ACCURACY = "Evaluation.accuracy";
  private static final String METRICS = "Evaluation.metrics";

  /** The largest number of classes whose confusion matrix fits into a buffer. */
  private static final int MOST_CLASSES = 16_000;

  private Evaluation() {}

  /**
   * Returns the fraction of the labelled images whose label has the largest logit, in evaluation
   * mode, as {@link Network#accuracy} does, over the first epoch of the batches. For example, after
   * each epoch of training: {@code trainer.evaluate(() -> Evaluation.accuracy(student,
   * testBatches))}.
   *
   * @param network the network to evaluate; its input shape must be known
   * @param batches the data, for example {@link org.retort.data.DatasetBatches#inOrder}
   * @return between 0 and 1
   * @throws IllegalArgumentException if an argument is null, no image has a label, or an image does
   *     not have the network's input shape
   * @throws IllegalStateException if the network or the batches were closed, or the input shape is
   *     not known
   * @throws org.retort.RetortException if a label is out of range
   * @throws RuntimeException whatever the batches throw
   */
  public static double accuracy(Network network, Batches batches) {
    Arguments.notNull(network, ACCURACY, "network");
    Arguments.notNull(batches, ACCURACY, "batches");
    batches.startEpoch(0);
    long correct = 0;
    long labeled = 0;
    for (int i = 0; i < batches.stepsPerEpoch(); i++) {
      Batch batch = batches.next();
      long count = labeledOf(batch);
      if (count > 0) {
        correct += (long) (network.accuracy(batch.images(), batch.labels()) * count + 0.5);
        labeled += count;
      }
    }
    requireLabel(labeled, ACCURACY);
    return (double) correct / labeled;
  }

  /**
   * Counts a network's predictions for the labelled images of the first epoch of the batches, in
   * evaluation mode with the current weights, as {@link #accuracy} does; {@link Metrics#accuracy()}
   * agrees with it. Among equal logits, the first class is predicted; NaN is less than every
   * number.
   *
   * @param network the network to evaluate; its input shape must be known
   * @param batches the data, for example {@link org.retort.data.DatasetBatches#inOrder}
   * @return the metrics
   * @throws IllegalArgumentException if an argument is null, no image has a label, an image does
   *     not have the network's input shape, or there are more than 16,000 classes
   * @throws IllegalStateException if the network or the batches were closed, or the input shape is
   *     not known
   * @throws org.retort.RetortException if a label is out of range
   * @throws RuntimeException whatever the batches throw
   */
  public static Metrics metrics(Network network, Batches batches) {
    Arguments.notNull(network, METRICS, "network");
    Arguments.notNull(batches, METRICS, "batches");
    int classes = (int) network.classes();
    Arguments.check(
        classes <= MOST_CLASSES,
        "%s: network must have at most %s classes (got %s)",
        METRICS,
        MOST_CLASSES,
        classes);
    LongBuffer confusion = counts(classes * classes);
    batches.startEpoch(0);
    long inTop5 = 0;
    long labeled = 0;
    for (int i = 0; i < batches.stepsPerEpoch(); i++) {
      Batch batch = batches.next();
      inTop5 += count(network, batch, confusion);
      labeled += labeledOf(batch);
    }
    requireLabel(labeled, METRICS);
    long[][] rows = new long[classes][classes];
    for (long[] row : rows) {
      confusion.get(row);
    }
    return Metrics.of(rows, inTop5);
  }

  /** Returns how many images have their label among the five largest logits. */
  private static long count(Network network, Batch batch, LongBuffer confusion) {
    return NativeNetworks.of(network)
        .ask(
            handle -> {
              long sampleSize = retort.sample_size(handle);
              if (sampleSize == 0) {
                throw new IllegalStateException(
                    METRICS + ": input shape must be known, call probe first (got none)");
              }
              FloatBuffer images = batch.images();
              long size = Arguments.batch(images, METRICS, sampleSize);
              Arguments.rows(batch.labels(), METRICS, "labels", size);
              return retort.count_predictions(
                  handle,
                  images,
                  batch.labels(),
                  confusion,
                  images.remaining(),
                  size,
                  confusion.capacity());
            });
  }

  private static LongBuffer counts(int size) {
    return ByteBuffer.allocateDirect(size * Long.BYTES)
        .order(ByteOrder.nativeOrder())
        .asLongBuffer();
  }

  private static void requireLabel(long labeled, String function) {
    Arguments.check(
        labeled > 0, "%s: batches must have an image with a label (got none)", function);
  }

  private static long labeledOf(Batch batch) {
    LongBuffer labels = batch.labels();
    long count = 0;
    for (int i = 0; i < batch.size(); i++) {
      count += labels.get(i) == Batch.UNLABELED ? 0 : 1;
    }
    return count;
  }
}
