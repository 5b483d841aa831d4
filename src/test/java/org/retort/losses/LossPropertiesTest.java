package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Assume;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.Retort;
import org.retort.losses.FspLoss.Pair;
import org.retort.losses.FspLoss.Pooling;
import org.retort.losses.NstLoss.Kernel;
import org.retort.losses.OfdLoss.Reduction;

/** What holds for all values and shapes. The same ones are tried every time, in float64. */
final class LossPropertiesTest {
  private static final double TOLERANCE = 1e-11;
  private static final KdLoss KD = KdLoss.of(4);

  /** A property whose tries are the same in every run. */
  @Property(seed = "20261124", tries = 200, edgeCases = EdgeCasesMode.NONE)
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.METHOD)
  @interface Always {}

  /** A size of a tensor. */
  @IntRange(min = 1, max = 5)
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.PARAMETER)
  @interface Size {}

  private PointerScope scope;

  @BeforeTry
  void openScope() {
    scope = new PointerScope();
  }

  @AfterTry
  void closeScope() {
    scope.close();
  }

  @Always
  void kd_sameLogits_isZero(@ForAll @Size int batch, @ForAll @Size int classes, @ForAll int seed) {
    Tensor logits = random(seed, batch, classes);
    assertZero(KD.compute(logits, logits));
    Tensor probabilities = logits.div(new Scalar(4)).softmax(1);
    assertThat(
            KD.withTarget(KdLoss.Target.PROBABILITIES).compute(logits, probabilities).item_double())
        .isCloseTo(0, within(TOLERANCE));
  }

  @Always
  void kd_anyLogits_isNotNegativeInAnyOrderOfTheBatch(
      @ForAll @Size int batch, @ForAll @Size int classes, @ForAll int seed) {
    Tensor student = random(seed, batch, classes);
    Tensor teacher = torch.randn_like(student);
    Tensor order = torch.randperm(batch);
    assertSame(
        KD.compute(student, teacher),
        KD.compute(reordered(student, 0, order), reordered(teacher, 0, order)));
  }

  @Always
  void kd_anyWeights_isThatOfTheSamplesThatCount(
      @ForAll KdLoss.Target target,
      @ForAll @Size int batch,
      @ForAll @Size int classes,
      @ForAll @DoubleRange(min = 0.1, max = 20) double temperature,
      @ForAll @DoubleRange(min = 0.1, max = 20) double scale,
      @ForAll int seed) {
    KdLoss loss = KdLoss.of(temperature).withTarget(target);
    Tensor student = random(seed, batch + 2, classes);
    Tensor teacher = torch.randn_like(student);
    if (target == KdLoss.Target.PROBABILITIES) {
      teacher = teacher.softmax(1);
    }
    Tensor weight = torch.rand(batch).to(ScalarType.Double).add(new Scalar(0.1));
    Tensor masked = torch.cat(new TensorVector(weight, map(2)));
    assertSame(
        loss.compute(student.narrow(0, 0, batch), teacher.narrow(0, 0, batch), weight),
        loss.compute(student, teacher, masked.mul(new Scalar(scale))));
  }

  @Always
  void fsp_sameMaps_isZero(
      @ForAll Pooling pooling,
      @ForAll FspLoss.Reduction reduction,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    Tensor first = random(seed, batch, channels, side, side);
    List<Tensor> maps = List.of(first, random(seed, batch, 3, 2, side));
    assertZero(fsp(pooling, reduction).compute(maps, maps).get(0));
  }

  @Always
  void fsp_anyMaps_isNotNegativeInAnyOrderOfTheBatch(
      @ForAll Pooling pooling,
      @ForAll FspLoss.Reduction reduction,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    List<Tensor> student =
        List.of(
            random(seed, batch, channels, side, 3), torch.randn_like(map(batch, 2, side, side)));
    List<Tensor> teacher =
        List.of(
            torch.randn_like(map(batch, channels, 2, side)),
            torch.randn_like(map(batch, 2, side, 3)));
    FspLoss loss = fsp(pooling, reduction);
    Tensor order = torch.randperm(batch);
    assertSame(
        loss.compute(student, teacher).get(0),
        loss.compute(reordered(student, 0, order), reordered(teacher, 0, order)).get(0));
  }

  private static FspLoss fsp(Pooling pooling, FspLoss.Reduction reduction) {
    return FspLoss.ofPairs(new Pair(0, 1)).withPooling(pooling).withReduction(reduction);
  }

  @Always
  void nst_sameMaps_isZero(
      @ForAll("nstLosses") NstLoss loss,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    List<Tensor> maps = List.of(random(seed, batch, channels, side, 3));
    assertZero(loss.compute(maps, maps).get(0));
  }

  @Always
  void nst_anyMaps_isNotNegativeInAnyOrderOfBatchAndChannels(
      @ForAll("nstLosses") NstLoss loss,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    List<Tensor> student = List.of(random(seed, batch, channels, side, 3));
    List<Tensor> teacher = List.of(torch.randn_like(map(batch, 4, 2, side)));
    Tensor value = loss.compute(student, teacher).get(0);
    Tensor order = torch.randperm(batch);
    assertSame(
        value, loss.compute(reordered(student, 0, order), reordered(teacher, 0, order)).get(0));
    List<Tensor> otherStudent = reordered(student, 1, torch.randperm(channels));
    List<Tensor> otherTeacher = reordered(teacher, 1, torch.randperm(4));
    assertSame(value, loss.compute(otherStudent, otherTeacher).get(0));
  }

  @Always
  void nst_withoutTeacherTerm_isLessByWhatTheTeacherAloneDecides(
      @ForAll("nstLosses") NstLoss loss,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    Assume.that(loss.kernel() != Kernel.GAUSSIAN || loss.variance().isPresent());
    List<Tensor> student = List.of(random(seed, batch, channels, side, 3));
    List<Tensor> other = List.of(torch.randn_like(student.get(0)));
    List<Tensor> teacher = List.of(torch.randn_like(map(batch, 4, side, 3)));
    assertSame(teacherTerm(loss, student, teacher), teacherTerm(loss, other, teacher));
  }

  private static Tensor teacherTerm(NstLoss loss, List<Tensor> student, List<Tensor> teacher) {
    Tensor part = loss.withTeacherTerm(false).compute(student, teacher).get(0);
    return loss.compute(student, teacher).get(0).sub(part);
  }

  @Provide
  static Arbitrary<NstLoss> nstLosses() {
    Arbitrary<NstLoss> polynomial =
        Combinators.combine(Arbitraries.longs().between(1, 6), Arbitraries.doubles().between(0, 1))
            .as((degree, offset) -> NstLoss.polynomial().withDegree(degree).withOffset(offset));
    Arbitrary<NstLoss> gaussian =
        Arbitraries.doubles().between(0.05, 5).map(NstLoss.gaussian()::withVariance);
    return Arbitraries.oneOf(
        Arbitraries.of(NstLoss.linear(), NstLoss.polynomial(), NstLoss.gaussian()),
        polynomial,
        gaussian);
  }

  @Always
  void ofd_studentIsTheTarget_isZero(
      @ForAll Reduction reduction,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    Tensor teacher = random(seed, batch, channels, side, 3);
    Tensor margin = OfdLoss.batchMargin(teacher);
    Tensor target = torch.maximum(teacher, margin.view(1, channels, 1, 1));
    assertZero(OfdLoss.compute(target, teacher, margin, reduction));
  }

  @Always
  void ofd_anyMaps_isNotNegativeInAnyOrderOfTheBatch(
      @ForAll Reduction reduction,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    Tensor student = random(seed, batch, channels, side, 3);
    Tensor teacher = torch.randn_like(map(batch, channels, 3, side));
    Tensor order = torch.randperm(batch);
    Tensor otherTeacher = reordered(teacher, 0, order);
    assertSame(
        OfdLoss.compute(student, teacher, OfdLoss.batchMargin(teacher), reduction),
        OfdLoss.compute(
            reordered(student, 0, order),
            otherTeacher,
            OfdLoss.batchMargin(otherTeacher),
            reduction));
  }

  @Always
  void ofd_stableMargin_isNegativeAndGrowsWithTheBias(
      @ForAll @DoubleRange(min = 0.01, max = 10) double weight,
      @ForAll @DoubleRange(min = -30, max = 30) double bias,
      @ForAll @DoubleRange(min = 0.01, max = 10) double more) {
    Tensor weights = Tensor.create(weight, -weight);
    Tensor biases = Tensor.create(bias, bias + more);
    Tensor margins = OfdLoss.expectedMargin(weights, biases, true);
    assertThat(margins.select(0, 0).item_double()).isNegative();
    assertThat(margins.select(0, 1).item_double())
        .isNegative()
        .isGreaterThan(margins.select(0, 0).item_double());
  }

  @Always
  void crd_anyClasses_contrastsWithOthersOnly(
      @ForAll boolean relaxed,
      @ForAll @Size int batch,
      @ForAll @IntRange(min = 2, max = 4) int classes,
      @ForAll @IntRange(min = 1, max = 12) int negatives,
      @ForAll int seed) {
    Retort.manualSeed(seed);
    Tensor ofRows = torch.arange(new Scalar(3 * classes)).remainder(new Scalar(classes));
    ofRows = reordered(ofRows.to(ScalarType.Long), 0, torch.randperm(3L * classes));
    Tensor own = torch.randint(3L * classes, new long[] {batch}).to(ScalarType.Long);

    Tensor contrast = CrdLoss.classContrast(own, ofRows, negatives, relaxed);

    assertThat(contrast.shape()).containsExactly(batch, negatives + 1L);
    Tensor ofOwn = ofRows.index_select(0, own);
    Tensor isOfOwn =
        ofRows.index_select(0, contrast.flatten()).view(contrast.shape()).eq(ofOwn.unsqueeze(1));
    assertThat(isOfOwn.narrow(1, 0, 1).all().item_bool()).isTrue();
    assertThat(isOfOwn.narrow(1, 1, negatives).any().item_bool()).isFalse();
    assertThat(relaxed || contrast.select(1, 0).eq(own).all().item_bool()).isTrue();
  }

  @Always
  void crd_anyEmbeddings_isNotNegativeInAnyOrderOfBatchAndNegatives(
      @ForAll @Size int batch,
      @ForAll @Size int dimension,
      @ForAll @IntRange(min = 5, max = 9) int rows,
      @ForAll @IntRange(min = 1, max = 12) int negatives,
      @ForAll @DoubleRange(min = 0.05, max = 5) double temperature,
      @ForAll int seed) {
    Tensor student = torch.normalize(random(seed, batch, dimension));
    Tensor teacher = torch.normalize(torch.randn_like(student));
    Tensor memory = torch.normalize(torch.randn_like(map(rows, dimension)));
    Tensor contrast =
        CrdLoss.contrast(
            torch.randint(rows, new long[] {batch}).to(ScalarType.Long), rows, negatives);
    Tensor loss = crd(student, teacher, memory, contrast, temperature);

    Tensor order = torch.randperm(batch);
    assertSame(
        loss,
        crd(
            reordered(student, 0, order),
            reordered(teacher, 0, order),
            memory,
            reordered(contrast, 0, order),
            temperature));
    Tensor shuffled = torch.randperm(negatives).add(new Scalar(1));
    Tensor columns =
        torch.cat(new TensorVector(torch.zeros_like(shuffled.select(0, 0)).view(1), shuffled));
    assertSame(loss, crd(student, teacher, memory, reordered(contrast, 1, columns), temperature));
  }

  private static Tensor crd(
      Tensor student, Tensor teacher, Tensor memory, Tensor contrast, double temperature) {
    double zStudent = CrdLoss.z(student, memory, contrast, temperature);
    double zTeacher = CrdLoss.z(teacher, memory, contrast, temperature);
    return CrdLoss.compute(
        student, teacher, memory, memory, contrast, zStudent, zTeacher, temperature);
  }

  /** Normally distributed numbers that the seed decides, as it does all that are drawn after. */
  private static Tensor random(int seed, long... shape) {
    Retort.manualSeed(seed);
    return torch.randn_like(map(shape));
  }

  private static Tensor map(long... shape) {
    return torch.zeros(shape).to(ScalarType.Double);
  }

  private static Tensor reordered(Tensor tensor, long dimension, Tensor order) {
    return tensor.index_select(dimension, order.to(ScalarType.Long));
  }

  private static List<Tensor> reordered(List<Tensor> tensors, long dimension, Tensor order) {
    return tensors.stream().map(tensor -> reordered(tensor, dimension, order)).toList();
  }

  private static void assertZero(Tensor loss) {
    assertThat(loss.item_double()).isBetween(0.0, TOLERANCE);
  }

  private static void assertSame(Tensor loss, Tensor reordered) {
    double value = loss.item_double();
    assertThat(value).isNotNegative();
    assertThat(reordered.item_double()).isCloseTo(value, within(TOLERANCE * (1 + value)));
  }
}
