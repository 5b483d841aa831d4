package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;
import net.jqwik.api.statistics.Statistics;
import net.jqwik.api.statistics.StatisticsReport;
import net.jqwik.api.statistics.StatisticsReport.StatisticsReportMode;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.Retort;
import org.retort.RetortException;

/**
 * Inputs of any shape and dtype. Those that fit give a finite value of the promised dtype and a
 * finite gradient; all others are refused by name.
 */
final class LossInputsPropertyTest {
  private static final List<ScalarType> FLOATING =
      List.of(ScalarType.Float, ScalarType.Double, ScalarType.Half, ScalarType.BFloat16);

  /** The same tries in every run. */
  @Property(seed = "20261126", tries = 1000, edgeCases = EdgeCasesMode.NONE)
  @StatisticsReport(StatisticsReportMode.OFF)
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.METHOD)
  @interface Always {}

  /** What a tensor is to be. */
  private record Kind(long[] sizes, ScalarType dtype) {
    boolean isComparable(int rank) {
      return sizes.length == rank
          && FLOATING.contains(dtype)
          && Arrays.stream(sizes).allMatch(size -> size > 0);
    }

    boolean fits(Kind other, int sameSizes) {
      return fits(other.dtype) && Arrays.equals(sizes, 0, sameSizes, other.sizes, 0, sameSizes);
    }

    /** Dtypes of at most 32 bits may be mixed. */
    private boolean fits(ScalarType other) {
      return dtype == other || (dtype != ScalarType.Double && other != ScalarType.Double);
    }

    Tensor random() {
      return torch.randn_like(torch.zeros(sizes)).to(dtype);
    }

    @Override
    public String toString() {
      return dtype + Arrays.toString(sizes);
    }
  }

  private PointerScope scope;

  @BeforeTry
  void openScope() {
    scope = new PointerScope();
    Retort.manualSeed(1);
  }

  @AfterTry
  void closeScope() {
    scope.close();
  }

  @Always
  void kd_anyLogits_areComparedOrRefused(
      @ForAll("logits") List<Kind> kinds,
      @ForAll KdLoss.Target target,
      @ForAll("temperatures") double temperature) {
    Kind student = kinds.get(0);
    Kind teacher = kinds.get(1);
    Tensor logits = student(student);
    assertComputedIf(
        student.isComparable(2)
            && teacher.isComparable(2)
            && student.fits(teacher, 2)
            && temperature > 0,
        logits,
        () -> KdLoss.of(temperature).withTarget(target).compute(logits, teacher(teacher, target)));
  }

  private static Tensor teacher(Kind kind, KdLoss.Target target) {
    Tensor tensor = kind.random();
    boolean isSoftmax = target == KdLoss.Target.PROBABILITIES && tensor.is_floating_point();
    return isSoftmax ? tensor.softmax(-1) : tensor;
  }

  @Always
  void fsp_anyMaps_areComparedOrRefused(
      @ForAll("maps") List<Kind> kinds,
      @ForAll FspLoss.Pooling pooling,
      @ForAll FspLoss.Reduction reduction) {
    Kind first = kinds.get(0);
    boolean fits =
        kinds.stream().allMatch(kind -> kind.isComparable(4) && kind.fits(first, 1))
            && first.fits(kinds.get(1), 2)
            && kinds.get(2).fits(kinds.get(3), 2);
    Tensor map = student(first);
    assertComputedIf(
        fits,
        map,
        () ->
            FspLoss.consecutive()
                .withPooling(pooling)
                .withReduction(reduction)
                .compute(
                    List.of(map, kinds.get(2).random()),
                    List.of(kinds.get(1).random(), kinds.get(3).random()))
                .get(0));
  }

  @Always
  void nst_anyMaps_areComparedOrRefused(
      @ForAll("maps") List<Kind> kinds, @ForAll NstLoss.Kernel kernel) {
    Kind student = kinds.get(0);
    Kind teacher = kinds.get(1);
    Tensor map = student(student);
    assertComputedIf(
        student.isComparable(4) && teacher.isComparable(4) && student.fits(teacher, 1),
        map,
        () -> nst(kernel).compute(List.of(map), List.of(teacher.random())).get(0));
  }

  private static NstLoss nst(NstLoss.Kernel kernel) {
    return switch (kernel) {
      case LINEAR -> NstLoss.linear();
      case POLYNOMIAL -> NstLoss.polynomial();
      case GAUSSIAN -> NstLoss.gaussian();
    };
  }

  @Always
  void ofd_anyMaps_areComparedOrRefused(
      @ForAll("maps") List<Kind> kinds, @ForAll OfdLoss.Reduction reduction) {
    Kind student = kinds.get(0);
    Kind teacher = kinds.get(1);
    Tensor map = student(student);
    assertComputedIf(
        student.isComparable(4) && teacher.isComparable(4) && student.fits(teacher, 2),
        map,
        () -> {
          Tensor maps = teacher.random();
          return OfdLoss.compute(map, maps, OfdLoss.batchMargin(maps), reduction);
        });
  }

  private static Tensor student(Kind kind) {
    Tensor tensor = kind.random();
    return tensor.is_floating_point() ? tensor.requires_grad_(true) : tensor;
  }

  private static void assertComputedIf(boolean fits, Tensor student, Supplier<Tensor> loss) {
    Statistics.collect(fits);
    Statistics.coverage(
        both -> {
          both.check(true).percentage(share -> share > 25);
          both.check(false).percentage(share -> share > 25);
        });
    Tensor value;
    try {
      value = loss.get();
    } catch (IllegalArgumentException | RetortException refused) {
      assertThat(refused.getMessage()).hasLineCount(1).matches("[^:]+: .+ must .+ \\(got .*\\)");
      assertThat(fits).as(refused.getMessage()).isFalse();
      return;
    }
    assertThat(fits).isTrue();
    boolean isDouble = student.scalar_type().intern() == ScalarType.Double;
    assertThat(value.scalar_type().intern())
        .isEqualTo(isDouble ? ScalarType.Double : ScalarType.Float);
    assertThat(value.shape()).isEmpty();
    assertThat(value.item_double()).isFinite();
    value.backward();
    assertThat(student.grad().shape()).isEqualTo(student.shape());
    assertThat(student.grad().isfinite().all().item_bool()).isTrue();
  }

  @Provide
  static Arbitrary<Double> temperatures() {
    return Arbitraries.frequencyOf(
        Tuple.of(9, Arbitraries.doubles().between(0.05, 50)),
        Tuple.of(1, Arbitraries.of(0.0, -1.0, Double.NaN)));
  }

  @Provide
  static Arbitrary<List<Kind>> logits() {
    return alike(2, 2, Arbitraries::just);
  }

  @Provide
  static Arbitrary<List<Kind>> maps() {
    return alike(4, 4, LossInputsPropertyTest::resized);
  }

  /** Tensors that mostly fit each other. */
  private static Arbitrary<List<Kind>> alike(
      int rank, int count, Function<Kind, Arbitrary<Kind>> fitting) {
    return kinds(rank)
        .flatMap(
            kind ->
                Arbitraries.frequencyOf(Tuple.of(12, fitting.apply(kind)), Tuple.of(1, kinds(rank)))
                    .list()
                    .ofSize(count));
  }

  private static Arbitrary<Kind> resized(Kind map) {
    return sizes(map.sizes.length)
        .map(
            sizes -> {
              System.arraycopy(map.sizes, 0, sizes, 0, Math.min(sizes.length, 2));
              return new Kind(sizes, map.dtype);
            });
  }

  private static Arbitrary<Kind> kinds(int rank) {
    Arbitrary<Integer> ranks =
        Arbitraries.frequencyOf(
            Tuple.of(9, Arbitraries.just(rank)), Tuple.of(1, Arbitraries.integers().between(0, 5)));
    Arbitrary<ScalarType> dtypes =
        Arbitraries.frequencyOf(
            Tuple.of(9, Arbitraries.of(FLOATING)),
            Tuple.of(1, Arbitraries.of(ScalarType.Long, ScalarType.Bool, ScalarType.ComplexFloat)));
    return Combinators.combine(ranks.flatMap(LossInputsPropertyTest::sizes), dtypes).as(Kind::new);
  }

  private static Arbitrary<long[]> sizes(int rank) {
    return Arbitraries.frequencyOf(
            Tuple.of(29, Arbitraries.longs().between(1, 4)), Tuple.of(1, Arbitraries.just(0L)))
        .array(long[].class)
        .ofSize(rank);
  }
}
