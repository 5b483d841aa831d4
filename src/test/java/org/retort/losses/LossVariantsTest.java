package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.retort.testing.Failures.assertRefused;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.NonFiniteException;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.Program;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** What each variant of a loss does as a term of a training step. */
final class LossVariantsTest {
  private static final int BATCH = 4;
  private static final int CLASSES = 5;
  private static final Taps EMBEDDING = Taps.of("embedding");
  private static final Taps MAPS = Taps.of("layer1", "layer2", "layer3");
  private static final Taps BEFORE_RELU = Taps.of("layer1.pre", "layer2.pre");

  /** Maps whose channels differ, the second ones. */
  private static final Taps UNLIKE =
      new Taps(List.of("stem", "layer2", "layer3"), List.of("layer1", "layer1", "layer3"));

  private static final CrdLoss CRD = CrdLoss.forSamples(9).withNegatives(3).withDimension(6);
  private static final CrdLoss QUEUE = CrdLoss.forQueue(10).withNegatives(3).withDimension(6);

  private final FloatBuffer images = Buffers.random(1, BATCH * 3 * 8 * 8);
  private final LongBuffer labels = Buffers.longs(0, 4, 2, 1);
  private final LongBuffer indices = Buffers.longs(7, 3, 0, 5);

  @TempDir private Path folder;
  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final Network teacher = network(2);

  static List<Arguments> variants() {
    CrdLoss classes = CRD.withClasses(0, 1, 2, 0, 1, 2, 0, 1, 2);
    FspLoss pairs =
        FspLoss.ofPairs(new FspLoss.Pair(0, 2), new FspLoss.Pair(2, 1))
            .withPooling(FspLoss.Pooling.MAX);
    OfdLoss ofd = OfdLoss.ofBatchMargins();
    NstLoss polynomial = NstLoss.polynomial();
    return List.of(
        Arguments.of(KdLoss.of(4), Taps.of()),
        Arguments.of(KdLoss.of(2).withTarget(KdLoss.Target.STANDARDISED_LOGITS), Taps.of()),
        Arguments.of(DkdLoss.of(4), Taps.of()),
        Arguments.of(DkdLoss.of(2).withBeta(2).withStandardise(true), Taps.of()),
        Arguments.of(pairs.withReduction(FspLoss.Reduction.PAPER), MAPS),
        Arguments.of(pairs.withReduction(FspLoss.Reduction.TORCHDISTILL), MAPS),
        Arguments.of(pairs.withAdaptChannels(true), UNLIKE),
        Arguments.of(polynomial.withDegree(3).withOffset(0.5), MAPS),
        Arguments.of(NstLoss.gaussian().withVariance(0.5), MAPS),
        Arguments.of(classes, EMBEDDING),
        Arguments.of(classes.withRelaxed(true), EMBEDDING),
        Arguments.of(CRD.withZ(CrdLoss.Z.fixed(20, 30)), EMBEDDING),
        Arguments.of(CRD.withZ(CrdLoss.Z.movingAverage(0.9)), EMBEDDING),
        Arguments.of(QUEUE, EMBEDDING),
        Arguments.of(QUEUE.withZ(CrdLoss.Z.movingAverage(0.9)), EMBEDDING),
        Arguments.of(ofd.withReduction(OfdLoss.Reduction.SUM).withLayerDecay(0.5), BEFORE_RELU),
        Arguments.of(ofd.withReduction(OfdLoss.Reduction.BATCH_MEAN).withScale(100), BEFORE_RELU),
        Arguments.of(ofd.withInit(OfdLoss.Init.KAIMING), BEFORE_RELU),
        Arguments.of(ofd, new Taps(List.of("layer1.pre"), List.of("layer2.pre"))));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void run_eachVariant_trains(DistillationLoss loss, Taps taps) {
    try (Run run = new Run(loss, taps)) {
      Map<String, Tensor> state = run.step.state();
      Tensor weight = state.get("student.conv1.weight").clone();

      run.once(indices);
      run.once(indices);

      assertThat(run.term()).isPositive().isFinite();
      assertThat(Bits.of(state.get("student.conv1.weight"))).isNotEqualTo(Bits.of(weight));
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void run_failed_changesNothing(DistillationLoss loss, Taps taps) {
    try (Run run = new Run(loss, taps)) {
      run.once(indices);
      Map<String, ByteBuffer> before = Bits.of(run.step.state());
      images.put(7, Float.NaN);

      assertThatThrownBy(() -> run.once(indices)).isInstanceOf(NonFiniteException.class);

      assertThat(Bits.of(run.step.state())).isEqualTo(before);
    }
  }

  @Test
  void kd_teacherOfProbabilities_isThatOfItsLogits() {
    String[] names = {"logits.ts", "softmax.ts"};
    String[] outputs = {"logits", "logits.softmax(1)"};
    KdLoss[] losses = {KdLoss.of(1), KdLoss.of(1).withTarget(KdLoss.Target.PROBABILITIES)};
    double[] terms = new double[2];
    for (int i = 0; i < 2; i++) {
      Path file =
          Program.linear(CLASSES)
              .save(
                  folder.resolve(names[i]),
                  "logits = torch.linear(x.flatten(1), self.weight)",
                  "return " + outputs[i] + ", {'x': x}");
      try (Network program = TorchScriptNetwork.load(file, "x");
          Network student = network(1);
          TrainingStep step =
              TrainingStep.builder(student, program)
                  .inputShape(3, 2, 2)
                  .add(1, losses[i])
                  .build()) {
        StepResult result = step.newResult();
        step.run(Buffers.random(1, 24), Buffers.longs(1, 2), null, result);
        terms[i] = result.term(0);
      }
    }
    assertThat(terms[1]).isPositive().isCloseTo(terms[0], withinPercentage(0.01));
  }

  @Test
  void fsp_channelsThatDiffer_haveAdaptersThatAreTrained() {
    try (Run run = new Run(FspLoss.consecutive().withAdaptChannels(true), UNLIKE)) {
      Map<String, Tensor> state = run.step.state();
      assertThat(state.keySet().stream().filter(name -> name.startsWith("terms.")))
          .containsExactlyInAnyOrder("terms.0.adapters.1.weight", "terms.0.adapters.1.bias");
      Tensor weight = state.get("terms.0.adapters.1.weight");
      assertThat(weight.shape()).containsExactly(16, 32, 1, 1);
      Tensor before = weight.clone();

      run.once(null);

      assertThat(Bits.of(weight)).isNotEqualTo(Bits.of(before));
    }
  }

  @Test
  void fsp_mapWithItself_isThatOfTwoEqualMaps() {
    try (Run once = new Run(FspLoss.ofPairs(new FspLoss.Pair(1, 1)), Taps.of("layer2", "layer1"));
        Run twice = new Run(FspLoss.consecutive(), Taps.of("layer1", "layer1"))) {
      Tensor before = once.step.state().get("student.conv1.weight").clone();
      once.once(null);
      twice.once(null);
      assertThat(once.term()).isPositive().isCloseTo(twice.term(), withinPercentage(0.01));
      Tensor change = once.step.state().get("student.conv1.weight").sub(before);
      assertThat(change.abs().max().item_double()).isPositive();
      Tensor expected = twice.step.state().get("student.conv1.weight").sub(before);
      assertThat(change.sub(expected).abs().max().item_double())
          .isLessThan(1e-2 * expected.abs().max().item_double());
    }
  }

  @Test
  void nst_withoutTeacherTerm_changesTheValueOnly() {
    try (Run whole = new Run(NstLoss.linear(), MAPS);
        Run part = new Run(NstLoss.linear().withTeacherTerm(false), MAPS)) {
      whole.once(null);
      part.once(null);
      assertThat(part.term()).isLessThan(whole.term());
      assertThat(part.after("student.fc.weight")).isEqualTo(whole.after("student.fc.weight"));
    }
  }

  @Test
  void crd_queue_isFilledInTurnWithoutIndices() {
    try (Run run = new Run(QUEUE, EMBEDDING)) {
      Map<String, Tensor> state = run.step.state();
      Tensor memory = state.get("terms.0.student_memory.embeddings");
      assertThat(memory.shape()).containsExactly(10, 6);
      Tensor before = memory.clone();
      for (long oldest : new long[] {4, 8, 2}) {
        run.once(null);
        assertThat(state.get("terms.0.oldest").item_long()).isEqualTo(oldest);
        if (oldest == 4) {
          Tensor kept = memory.narrow(0, 4, 6);
          assertThat(Bits.of(kept)).isEqualTo(Bits.of(before.narrow(0, 4, 6)));
        }
      }
      assertThat(memory.eq(before).any().item_bool()).isFalse();
    }
  }

  @Test
  void crd_batchLargerThanTheQueue_isRefused() {
    try (Run run = new Run(CrdLoss.forQueue(3).withNegatives(3), EMBEDDING)) {
      assertRefused(
          () -> run.once(null), "crd_loss: batch must be at most the queue's 3 rows (got 4)");
    }
  }

  static Stream<Arguments> zSources() {
    return Stream.of(
        Arguments.of(CRD, false, 0),
        Arguments.of(CRD.withZ(CrdLoss.Z.fixed(20, 30)), false, 20),
        Arguments.of(CRD.withZ(CrdLoss.Z.movingAverage(0.5)), true, 0));
  }

  @ParameterizedTest
  @MethodSource("zSources")
  void crd_z_isThatOfItsSource(CrdLoss loss, boolean moves, double start) {
    try (Run run = new Run(loss, EMBEDDING)) {
      Tensor z = run.step.state().get("terms.0.z_student");
      assertThat(z.item_double()).isEqualTo(start);
      run.once(indices);
      double first = z.item_double();
      assertThat(first).isPositive();
      assertThat(first == start).isEqualTo(start > 0);

      run.once(indices);

      assertThat(z.item_double() != first).isEqualTo(moves);
    }
  }

  @Test
  void ofd_teacherMargins_areThoseOfItsLayers() {
    Map<String, Tensor> state = teacher.stateDict();
    List<Tensor> margins =
        Stream.of("layer1.0.bn2", "layer2.0.bn2")
            .map(
                norm ->
                    OfdLoss.expectedMargin(state.get(norm + ".weight"), state.get(norm + ".bias")))
            .toList();
    try (Run given = new Run(OfdLoss.ofMargins(margins), BEFORE_RELU);
        Run found =
            new Run(
                OfdLoss.ofTeacherMargins(teacher, "layer1.0.bn2", "layer2.0.bn2"), BEFORE_RELU)) {
      given.once(null);
      found.once(null);
      assertThat(found.term()).isPositive().isEqualTo(given.term());
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.5, 3})
  void ofd_layerDecayAndScale_weighTheLayers(double decay) {
    OfdLoss loss = OfdLoss.ofBatchMargins();
    double first = term(loss.withLayerDecay(1e-9), BEFORE_RELU);
    double both = term(loss, BEFORE_RELU) - first;

    double decayed = term(loss.withLayerDecay(decay).withScale(10), BEFORE_RELU);

    assertThat(decayed).isCloseTo((decay * both + first) / 10, withinPercentage(0.01));
  }

  @ParameterizedTest
  @CsvSource({"OFFICIAL, 0.25", "KAIMING, 0.3536"})
  void ofd_init_isTheDeviationOfTheConnectors(OfdLoss.Init init, double deviation) {
    Taps widening = new Taps(List.of("layer1.pre"), List.of("layer2.pre"));
    try (Run run = new Run(OfdLoss.ofBatchMargins().withInit(init), widening)) {
      Tensor weight = run.step.state().get("terms.0.connectors.0.conv.weight");
      assertThat(weight.shape()).containsExactly(32, 16, 1, 1);
      assertThat(weight.std().item_double()).isCloseTo(deviation, withinPercentage(10));
    }
  }

  private double term(DistillationLoss loss, Taps taps) {
    try (Run run = new Run(loss, taps)) {
      run.once(null);
      return run.term();
    }
  }

  private static Network network(long seed) {
    Retort.manualSeed(seed);
    return ResNet.cifar(8, CLASSES);
  }

  /** A step of one term on a student that is the same every time. */
  private final class Run implements AutoCloseable {
    private final Network student = network(1);
    private final TrainingStep step;
    private final StepResult result;

    Run(DistillationLoss loss, Taps taps) {
      TrainingStepBuilder builder =
          TrainingStep.builder(student, teacher).inputShape(3, 8, 8).crossEntropy(0);
      step = builder.add(1, loss, taps).build();
      result = step.newResult();
    }

    void once(LongBuffer rows) {
      step.run(images, labels, rows, result);
    }

    double term() {
      return result.term(0);
    }

    ByteBuffer after(String name) {
      return Bits.of(step.state().get(name));
    }

    @Override
    public void close() {
      step.close();
      student.close();
    }
  }
}
