package org.retort.spark;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.retort.Retort;
import org.retort.data.Batches;
import org.retort.data.DatasetBatches;
import org.retort.distributed.Ranks;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.BatchNormOver;
import org.retort.train.StepResult;
import org.retort.train.Trainer;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingStep;

/**
 * Distils digits from given weights, with a checkpoint every three steps.
 *
 * @param run distinguishes what {@link #STARTS} holds
 * @param teacher its state dict
 * @param student its state dict
 * @param fault what happens to a rank before the checkpoint after the eighth step of the first
 *     attempt
 * @param faulty the rank
 * @param epochs how long it trains
 */
record DigitsJob(String run, byte[] teacher, byte[] student, Fault fault, int faulty, int epochs)
    implements SparkJob<Row> {
  static final int BATCH = 21; // of different sizes on two ranks
  static final int EPOCHS = 3;
  static final ImageColumns IMAGES = ImageColumns.of("image", 1, 8, 8).withLabel("label", 10);

  /** The numbers of steps that were done when trainers of this process began, by their runs. */
  static final Map<String, List<Long>> STARTS = new ConcurrentHashMap<>();

  private static final long FAULTY_STEP = 8;

  /** What happens to a rank. */
  enum Fault {
    NONE,
    EXCEPTION,
    KILL
  }

  @Override
  public SampleReader<Row> reader() {
    return IMAGES;
  }

  @Override
  public byte[] train(SparkRank rank) throws Exception {
    int cores = TaskContext.get().cpus();
    if (Retort.threads() != cores) {
      throw new AssertionError(Retort.threads() + " threads for " + cores + " cores");
    }
    try (Network teacherNetwork = network(14, teacher);
        Network studentNetwork = network(8, student);
        DatasetBatches batches = rank.batches().size(BATCH).seed(3).build();
        TrainingStep step = step(studentNetwork, teacherNetwork, rank.ranks())) {
      trainer(rank.trainer("digits", step, batches)).listener(new Listener(rank)).build().run();
      return StepJob.stateDict(studentNetwork);
    }
  }

  /** Trains in this process alone. */
  byte[] trainAlone(Batches batches) {
    try (Network teacherNetwork = network(14, teacher);
        Network studentNetwork = network(8, student);
        Ranks alone = Ranks.join(org.retort.distributed.RanksOptions.of());
        TrainingStep step = step(studentNetwork, teacherNetwork, alone)) {
      trainer(Trainer.builder(step, batches)).build().run();
      return StepJob.stateDict(studentNetwork);
    }
  }

  private Trainer.Builder trainer(Trainer.Builder trainer) {
    return trainer.epochs(epochs).checkpointEverySteps(3);
  }

  private static TrainingStep step(Network student, Network teacher, Ranks ranks) {
    return TrainingStep.builder(student, teacher)
        .inputShape(1, 8, 8)
        .add(0.9, KdLoss.of(4))
        .ranks(ranks)
        .batchNorm(BatchNormOver.ALL_RANKS)
        .build();
  }

  private static Network network(int depth, byte[] weights) {
    Network network = ResNet.cifar(depth, 10, 1);
    network.loadStateDict(weights);
    return network;
  }

  /** Notes the start, and makes the fault. */
  private final class Listener implements TrainingListener {
    private final SparkRank rank;

    Listener(SparkRank rank) {
      this.rank = rank;
    }

    @Override
    public void onStart(long done, long steps) {
      if (rank.ranks().isFirst()) {
        STARTS.computeIfAbsent(run, none -> new CopyOnWriteArrayList<>()).add(done);
      }
    }

    @Override
    public void onStep(long step, StepResult result) {
      if (step == FAULTY_STEP && rank.attempt() == 0 && rank.ranks().rank() == faulty) {
        if (fault == Fault.EXCEPTION) {
          throw new IllegalStateException("planted");
        } else if (fault == Fault.KILL) {
          Runtime.getRuntime().halt(1);
        }
      }
    }
  }
}
