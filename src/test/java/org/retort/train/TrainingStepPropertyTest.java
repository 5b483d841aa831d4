package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.DoubleStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.statistics.Statistics;
import net.jqwik.api.statistics.StatisticsReport;
import net.jqwik.api.statistics.StatisticsReport.StatisticsReportMode;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.models.Mlp;

/** Options and batches of all kinds: each is trained with as it says, or refused by name. */
final class TrainingStepPropertyTest {
  private static final int INPUTS = 6;
  private static final int CLASSES = 3;
  private static final int SAMPLES = 8;

  /** What a step is built of. */
  private record Options(
      double crossEntropy,
      double kd,
      double temperature,
      double crd,
      double learningRate,
      double clipNorm,
      long accumulate,
      boolean isAdam) {
    boolean areRight() {
      return DoubleStream.of(crossEntropy, kd, temperature, crd, learningRate, clipNorm)
              .allMatch(value -> value > 0 && Double.isFinite(value))
          && accumulate > 0;
    }

    TrainingStep build(Mlp student, Mlp teacher) {
      Optimizer optimizer = isAdam ? Adam.of(learningRate) : Sgd.of(learningRate).withMomentum(0.9);
      return TrainingStep.builder(student, teacher)
          .inputShape(INPUTS)
          .crossEntropy(crossEntropy)
          .add(kd, KdLoss.of(temperature))
          .add(
              crd,
              CrdLoss.forSamples(SAMPLES).withNegatives(4).withDimension(4),
              Taps.of("embedding"))
          .optimizer(optimizer)
          .clipNorm(clipNorm)
          .accumulate(accumulate)
          .build();
    }
  }

  /** What a step is given. */
  private record Batch(int values, long[] labels, long[] indices) {
    boolean fits() {
      return values == INPUTS * labels.length
          && indices.length == labels.length
          && Arrays.stream(labels).allMatch(label -> label < CLASSES)
          && Arrays.stream(indices).allMatch(index -> index < SAMPLES);
    }

    float[] images() {
      Random random = new Random(values);
      float[] images = new float[values];
      for (int i = 0; i < values; i++) {
        images[i] = (float) random.nextGaussian();
      }
      return images;
    }

    @Override
    public String toString() {
      return values + " values, " + Arrays.toString(labels) + " of " + Arrays.toString(indices);
    }
  }

  @Property(seed = "20261126", tries = 1000, edgeCases = EdgeCasesMode.NONE)
  @StatisticsReport(StatisticsReportMode.OFF)
  @SuppressWarnings("try") // the scope works by being open
  void step_anyOptionsAndBatches_trainsOrRefuses(
      @ForAll("options") Options options, @ForAll("batches") Batch batch) {
    Statistics.collect(options.areRight(), batch.fits());
    Statistics.coverage(
        kinds -> {
          kinds.check(true, true).percentage(share -> share > 25);
          kinds.check(true, false).percentage(share -> share > 10);
          kinds.check(false, true).percentage(share -> share > 10);
        });
    Retort.manualSeed(1);
    try (PointerScope scope = new PointerScope();
        Mlp student = Mlp.of(INPUTS, 4, CLASSES);
        Mlp teacher = Mlp.of(INPUTS, 5, CLASSES);
        TrainingStep step = options.build(student, teacher)) {
      assertThat(options.areRight()).isTrue();
      for (int i = 1; i <= 3; i++) {
        run(step, options, batch, i);
      }
    } catch (IllegalArgumentException | RetortException refused) {
      assertNamed(refused);
      assertThat(options.areRight()).as(refused.getMessage()).isFalse();
    }
  }

  private static void run(TrainingStep step, Options options, Batch batch, int number) {
    Map<String, String> before = state(step);
    StepResult result = step.newResult();
    try {
      step.run(StepInput.of(batch.images(), batch.labels).withIndices(batch.indices), result);
    } catch (IllegalArgumentException | RetortException refused) {
      assertNamed(refused);
      assertThat(batch.fits()).as(refused.getMessage()).isFalse();
      assertThat(state(step)).isEqualTo(before);
      return;
    }
    assertThat(batch.fits()).isTrue();
    assertThat(result.samples()).isEqualTo(batch.labels.length);
    assertThat(result.updated()).isEqualTo(number % options.accumulate == 0);
    double total =
        options.crossEntropy * result.crossEntropy()
            + options.kd * result.term(0)
            + options.crd * result.term(1);
    assertThat(result.total()).isFinite().isCloseTo(total, within(1e-5 * (1 + total)));
    assertThat(result.gradientNorm()).isFinite().isNotNegative();
  }

  /** Everything that a step changes, in digits that tell each float from any other. */
  private static Map<String, String> state(TrainingStep step) {
    Map<String, String> state = new TreeMap<>();
    for (Map.Entry<String, Tensor> entry : step.state().entrySet()) {
      float[] values = new float[(int) entry.getValue().numel()];
      entry.getValue().data_ptr_float().get(values);
      state.put(entry.getKey(), Arrays.toString(values));
    }
    return state;
  }

  private static void assertNamed(RuntimeException refused) {
    assertThat(refused.getMessage()).hasLineCount(1).matches("[^:]+: .+ must .+ \\(got .*\\)");
  }

  @Provide
  static Arbitrary<Options> options() {
    return Combinators.combine(
            number(5),
            number(5),
            number(20),
            number(1),
            number(0.5),
            number(10),
            accumulate(),
            Arbitraries.of(true, false))
        .as(Options::new);
  }

  private static Arbitrary<Double> number(double most) {
    return Arbitraries.frequencyOf(
        Tuple.of(19, Arbitraries.doubles().between(0.01, most)),
        Tuple.of(1, Arbitraries.of(-1.0, Double.NaN, Double.POSITIVE_INFINITY, -Double.MIN_VALUE)));
  }

  private static Arbitrary<Long> accumulate() {
    return Arbitraries.frequencyOf(
        Tuple.of(19, Arbitraries.longs().between(1, 3)),
        Tuple.of(1, Arbitraries.of(0L, Long.MIN_VALUE)));
  }

  @Provide
  static Arbitrary<Batch> batches() {
    return Arbitraries.integers()
        .between(1, 6)
        .flatMap(
            size ->
                Combinators.combine(
                        mostly(INPUTS * size, 0, INPUTS * 7),
                        mostly(size, 0, 7).flatMap(count -> rows(count, -1, CLASSES)),
                        mostly(size, 0, 7).flatMap(count -> rows(count, 0, SAMPLES)))
                    .as(Batch::new));
  }

  private static Arbitrary<Integer> mostly(int right, int least, int most) {
    return Arbitraries.frequencyOf(
        Tuple.of(14, Arbitraries.just(right)),
        Tuple.of(1, Arbitraries.integers().between(least, most)));
  }

  private static Arbitrary<long[]> rows(int count, long least, long end) {
    return Arbitraries.frequencyOf(
            Tuple.of(99, Arbitraries.longs().between(least, end - 1)),
            Tuple.of(1, Arbitraries.of(end, Long.MAX_VALUE)))
        .array(long[].class)
        .ofSize(count);
  }
}
