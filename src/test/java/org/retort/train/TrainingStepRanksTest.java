package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFails;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.RankException;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksOptions;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Precision;
import org.retort.testing.RankThreads;

@Timeout(600)
final class TrainingStepRanksTest {
  private static final String NAME = "TrainingStepBuilder";

  @TempDir private Path folder;

  /**
   * What some steps have given.
   *
   * @param results the numbers of each
   * @param state the state after them
   */
  record Trained(List<List<Double>> results, Map<String, Tensor> state) {}

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void run_partsOfBatches_trainsAsOneProcess(int size) throws Exception {
    Trained alone = train(null);
    List<Trained> all = RankThreads.run(size, TrainingStepRanksTest::train);
    assertThat(all).hasSize(size);
    for (Trained each : all) {
      assertThat(each.results()).isEqualTo(all.get(0).results());
      assertThat(each.state()).containsOnlyKeys(alone.state().keySet());
      each.state()
          .forEach(
              (name, tensor) ->
                  Precision.FLOAT64.assertClose(name, tensor, alone.state().get(name)));
      for (int i = 0; i < alone.results().size(); i++) {
        for (int j = 0; j < alone.results().get(i).size(); j++) {
          assertThat(each.results().get(i).get(j))
              .isCloseTo(alone.results().get(i).get(j), within(1e-9));
        }
      }
    }
  }

  /** Trains in float64, which takes tensors. */
  private static Trained train(Ranks ranks) {
    try (SharedTraining training = SharedTraining.of(ranks, ScalarType.Double, 3)) {
      StepResult result = training.step.newResult();
      List<List<Double>> results = new ArrayList<>();
      for (int epoch = 0; epoch < 2; epoch++) {
        training.batches.startEpoch(epoch);
        for (int i = 0; i < SharedTraining.STEPS; i++) {
          Batch batch = training.batches.next();
          try (Tensor images = images(batch);
              Tensor labels = Tensor.create(numbers(batch), batch.size())) {
            training.step.run(images, labels, null, result);
          }
          assertThat(result.waitingNanoseconds() > 0).isEqualTo(ranks != null);
          results.add(
              List.of(
                  result.total(),
                  result.crossEntropy(),
                  result.term(0),
                  result.gradientNorm(),
                  (double) result.correct(),
                  (double) result.labeled(),
                  (double) result.samples()));
        }
      }
      return new Trained(results, training.state());
    }
  }

  private static Tensor images(Batch batch) {
    float[] images = new float[batch.images().remaining()];
    batch.images().get(0, images);
    try (Tensor floats =
        Tensor.create(images, batch.size(), Digits.CHANNELS, Digits.SIDE, Digits.SIDE)) {
      return floats.to(ScalarType.Double);
    }
  }

  private static long[] numbers(Batch batch) {
    long[] labels = new long[batch.size()];
    batch.labels().get(0, labels);
    return labels;
  }

  @Test
  void run_failsOnOneRank_throwsOnTheOtherAndGoesOn() throws Exception {
    List<Map<String, ByteBuffer>> states =
        RankThreads.run(
            2,
            ranks -> {
              try (SharedTraining training = SharedTraining.of(ranks)) {
                StepResult result = training.step.newResult();
                training.batches.startEpoch(0);
                Batch batch = training.batches.next();
                long label = batch.labels().get(0);
                if (ranks.isFirst()) {
                  assertFails(
                      () -> training.step.run(batch, result),
                      RankException.class,
                      "Ranks: rank 1 has failed: TrainingStep: labels must be between -1 and 9"
                          + " (got 10 at 0)");
                } else {
                  batch.labels().put(0, 10);
                  assertThat(thrownBy(() -> training.step.run(batch, result)))
                      .hasMessage("TrainingStep: labels must be between -1 and 9 (got 10 at 0)");
                  batch.labels().put(0, label);
                }
                training.step.run(batch, result);
                return training.bits();
              }
            });
    assertThat(states.get(0)).isEqualTo(states.get(1));
  }

  private static Throwable thrownBy(Runnable call) {
    return catchThrowable(call::run);
  }

  @Test
  void save_severalRanks_isDoneByRank0AndLoadedByAll() throws Exception {
    Path file = folder.resolve("rank0.checkpoint");
    List<Map<String, ByteBuffer>> states =
        RankThreads.run(
            2,
            ranks -> {
              Path own = folder.resolve("rank" + ranks.rank() + ".checkpoint");
              ByteArrayOutputStream stream = new ByteArrayOutputStream();
              Map<String, ByteBuffer> saved;
              try (SharedTraining training = SharedTraining.of(ranks)) {
                StepResult result = training.step.newResult();
                training.batches.startEpoch(0);
                for (int i = 0; i < SharedTraining.STEPS; i++) {
                  training.step.run(training.batches.next(), result);
                }
                assertThat(result.updated()).isFalse(); // accumulated gradients are saved, too
                training.step.save(own, "note");
                training.step.save(stream, "note");
                saved = training.bits();
                training.batches.startEpoch(1);
                training.step.run(training.batches.next(), result);
                assertThat(training.bits()).isNotEqualTo(saved);
                assertThat(training.step.load(own)).isEqualTo("note");
                assertThat(training.bits()).isEqualTo(saved);
              }
              assertThat(Files.exists(own)).isEqualTo(ranks.isFirst());
              assertThat(stream.size() > 0).isEqualTo(ranks.isFirst());
              return saved;
            });
    assertThat(states.get(0)).isEqualTo(states.get(1));
    try (SharedTraining alone = SharedTraining.of(null)) {
      assertThat(alone.step.load(file)).isEqualTo("note");
      assertThat(alone.bits()).isEqualTo(states.get(0));
    }
  }

  @Test
  void build_otherOptionsOnARank_isRefusedOnAll() throws Exception {
    RankThreads.run(
        2,
        ranks -> {
          try (Network student = Mlp.of(4, 3)) {
            TrainingStepBuilder builder =
                TrainingStep.builder(student)
                    .inputShape(4)
                    .ranks(ranks)
                    .optimizer(Sgd.of(0.1).withMomentum(0.5 * ranks.rank()));
            assertThat(thrownBy(builder::build))
                .isInstanceOf(RankException.class)
                .hasMessageContaining("must be the same on all ranks (got ")
                .hasMessageContaining(" on rank 0 and ");
          }
          return 0;
        });
  }

  @Test
  @SuppressWarnings("try") // closed early
  void ranks_ofTheStep_areThoseGiven() throws Exception {
    try (Network student = ResNet.cifar(8, 3);
        Ranks alone = Ranks.join(RanksOptions.of())) {
      TrainingStepBuilder builder = TrainingStep.builder(student).inputShape(3, 8, 8);
      try (TrainingStep step = builder.build()) {
        assertThat(step.ranks()).isEmpty();
      }
      try (TrainingStep step =
          builder.ranks(alone).batchNorm(BatchNormOver.ALL_RANKS).bucketBytes(1).build()) {
        assertThat(step.ranks()).containsSame(alone);
        alone.close();
        StepResult result = step.newResult();
        step.run(Batch.allocate(2, 3, 8, 8), result);
        assertThat(result.updated()).isTrue();
        assertThat(result.waitingNanoseconds()).isZero();
      }
      assertUnusable(builder::build, "Ranks: object must be open (got a closed one)");
    }
  }

  @Test
  void ranks_closedOnceTheStepIsBuilt_goOnInIt() throws Exception {
    List<Map<String, ByteBuffer>> states =
        RankThreads.run(
            2,
            ranks -> {
              try (SharedTraining training = SharedTraining.of(ranks)) {
                ranks.close();
                training.batches.startEpoch(0);
                training.step.run(training.batches.next(), training.step.newResult());
                return training.bits();
              }
            });
    assertThat(states.get(0)).isEqualTo(states.get(1));
  }

  @Test
  void builder_invalidArguments_areRejected() {
    try (Network student = Mlp.of(4, 3)) {
      TrainingStepBuilder builder = TrainingStep.builder(student);
      assertIllegal(() -> builder.ranks(null), NAME + ".ranks: ranks must be given (got null)");
      assertIllegal(
          () -> builder.batchNorm(null), NAME + ".batchNorm: over must be given (got null)");
      assertIllegal(
          () -> builder.bucketBytes(0), NAME + ".bucketBytes: bytes must be at least 1 (got 0)");
    }
  }
}
