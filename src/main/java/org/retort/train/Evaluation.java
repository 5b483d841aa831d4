package org.retort.train;

import java.nio.LongBuffer;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.internal.Arguments;
import org.retort.models.Network;

/** Measures networks on data that are read batch by batch, and so need not fit into memory. */
public final class Evaluation {
  private static final String ACCURACY = "Evaluation.accuracy";

  private Evaluation() {}

  /**
   * The fraction of the labelled images whose label has the largest logit, in evaluation mode, as
   * {@link Network#accuracy}, over the first epoch of some batches. For example, after each epoch
   * of a training: {@code trainer.evaluate(() -> Evaluation.accuracy(student, testBatches))}.
   *
   * @param network what is measured; its input shape is known
   * @param batches the data, for example {@link org.retort.data.DatasetBatches#inOrder}
   * @return between 0 and 1
   * @throws IllegalArgumentException if an argument is null, no image has a label, or an image is
   *     not of the network's input shape
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
    Arguments.check(
        labeled > 0, "%s: batches must have an image with a label (got none)", ACCURACY);
    return (double) correct / labeled;
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
