package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
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
import org.retort.losses.NstLoss.Kernel;
import org.retort.losses.OfdLoss.Reduction;

/** What holds for all values and shapes. The same ones are tried every time, in float64. */
final class LossPropertiesTest {
  private static final double TOLERANCE = 1e-11;

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
    assertZero(KdLoss.compute(logits, logits, 4));
  }

  @Always
  void kd_anyLogits_isNotNegativeInAnyOrderOfTheBatch(
      @ForAll @Size int batch, @ForAll @Size int classes, @ForAll int seed) {
    Tensor student = random(seed, batch, classes);
    Tensor teacher = torch.randn_like(student);
    Tensor order = torch.randperm(batch);
    assertSame(
        KdLoss.compute(student, teacher, 4),
        KdLoss.compute(reordered(student, 0, order), reordered(teacher, 0, order), 4));
  }

  @Always
  void fsp_sameMaps_isZero(
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    Tensor first = random(seed, batch, channels, side, side);
    List<Tensor> maps = List.of(first, random(seed, batch, 3, 2, side));
    assertZero(FspLoss.compute(maps, maps).get(0));
  }

  @Always
  void fsp_anyMaps_isNotNegativeInAnyOrderOfTheBatch(
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
    Tensor order = torch.randperm(batch);
    assertSame(
        FspLoss.compute(student, teacher).get(0),
        FspLoss.compute(reordered(student, 0, order), reordered(teacher, 0, order)).get(0));
  }

  @Always
  void nst_sameMaps_isZero(
      @ForAll Kernel kernel,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    List<Tensor> maps = List.of(random(seed, batch, channels, side, 3));
    assertZero(NstLoss.compute(maps, maps, kernel).get(0));
  }

  @Always
  void nst_anyMaps_isNotNegativeInAnyOrderOfBatchAndChannels(
      @ForAll Kernel kernel,
      @ForAll @Size int batch,
      @ForAll @Size int channels,
      @ForAll @Size int side,
      @ForAll int seed) {
    List<Tensor> student = List.of(random(seed, batch, channels, side, 3));
    List<Tensor> teacher = List.of(torch.randn_like(map(batch, 4, 2, side)));
    Tensor loss = NstLoss.compute(student, teacher, kernel).get(0);
    Tensor order = torch.randperm(batch);
    assertSame(
        loss,
        NstLoss.compute(reordered(student, 0, order), reordered(teacher, 0, order), kernel).get(0));
    List<Tensor> otherStudent = reordered(student, 1, torch.randperm(channels));
    List<Tensor> otherTeacher = reordered(teacher, 1, torch.randperm(4));
    assertSame(loss, NstLoss.compute(otherStudent, otherTeacher, kernel).get(0));
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
    Tensor teacher = torch.randn_like(student);
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
  void crd_anyEmbeddings_isNotNegativeInAnyOrderOfBatchAndNegatives(
      @ForAll @Size int batch,
      @ForAll @Size int dimension,
      @ForAll @IntRange(min = 5, max = 9) int rows,
      @ForAll @IntRange(min = 1, max = 12) int negatives,
      @ForAll int seed) {
    Tensor student = torch.normalize(random(seed, batch, dimension));
    Tensor teacher = torch.normalize(torch.randn_like(student));
    Tensor memory = torch.normalize(torch.randn_like(map(rows, dimension)));
    Tensor contrast =
        CrdLoss.contrast(
            torch.randint(rows, new long[] {batch}).to(ScalarType.Long), rows, negatives);
    Tensor loss = crd(student, teacher, memory, contrast);

    Tensor order = torch.randperm(batch);
    assertSame(
        loss,
        crd(
            reordered(student, 0, order),
            reordered(teacher, 0, order),
            memory,
            reordered(contrast, 0, order)));
    Tensor shuffled = torch.randperm(negatives).add(new Scalar(1));
    Tensor columns =
        torch.cat(new TensorVector(torch.zeros_like(shuffled.select(0, 0)).view(1), shuffled));
    assertSame(loss, crd(student, teacher, memory, reordered(contrast, 1, columns)));
  }

  private static Tensor crd(Tensor student, Tensor teacher, Tensor memory, Tensor contrast) {
    double zStudent = CrdLoss.z(student, memory, contrast, 0.07);
    double zTeacher = CrdLoss.z(teacher, memory, contrast, 0.07);
    return CrdLoss.compute(student, teacher, memory, memory, contrast, zStudent, zTeacher, 0.07);
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
