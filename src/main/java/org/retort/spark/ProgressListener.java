package org.retort.spark;

import static scala.jdk.javaapi.CollectionConverters.asJava;

import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reports each epoch to the driver once, even if several attempts train it. */
final class ProgressListener extends SparkListener {
  private static final Logger LOG = LoggerFactory.getLogger(SparkDistillation.class);

  private final long accumulator;
  private final Consumer<? super SparkEpoch> receiver;
  private final Set<String> told = new HashSet<>();

  /**
   * Creates a listener that reports epochs.
   *
   * @param accumulator the id of the accumulator that delivers them
   */
  ProgressListener(long accumulator, Consumer<? super SparkEpoch> receiver) {
    this.accumulator = accumulator;
    this.receiver = receiver;
  }

  @Override
  public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
    asJava(update.accumUpdates()).forEach(task -> asJava(task._4()).forEach(this::tell));
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd end) {
    asJava(end.taskInfo().accumulables()).forEach(this::tell);
  }

  private void tell(AccumulableInfo info) {
    if (info.id() == accumulator
        && info.update().isDefined()
        && info.update().get() instanceof RankProgress progress) {
      tell(progress);
    }
  }

  /** Reports the new epochs. */
  synchronized void tell(RankProgress progress) {
    for (SparkEpoch epoch : progress.epochs()) {
      if (told.add(epoch.training() + "/" + epoch.epoch())) {
        LOG.info("{}", epoch);
        try {
          receiver.accept(epoch);
        } catch (RuntimeException failure) { // training continues
          LOG.warn("the receiver of epochs has failed", failure);
        }
      }
    }
  }
}
