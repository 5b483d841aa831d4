package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertChecked;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.nio.LongBuffer;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.bindings.NativeCrdOptions;
import org.retort.bindings.global.retort.NativeCrdMemoryDtype;
import org.retort.bindings.global.retort.NativeCrdZ;
import org.retort.losses.CrdLoss.MemoryDtype;
import org.retort.losses.CrdLoss.ZSource;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.GoldenCases;
import org.retort.testing.Gradients;
import org.retort.testing.Precision;

final class CrdLossTest {
  private static final int BATCH = 4;
  private static final int DIMENSION = 3;
  private static final int ROWS = 7;
  private static final CrdLoss LOSS = CrdLoss.forSamples(50);
  private static final Map<ZSource, NativeCrdZ> Z_SOURCES =
      Map.of(
          ZSource.FIRST_BATCH, NativeCrdZ.kFirstBatch,
          ZSource.FIXED, NativeCrdZ.kFixed,
          ZSource.MOVING_AVERAGE, NativeCrdZ.kMovingAverage);

  private static final Map<MemoryDtype, NativeCrdMemoryDtype> MEMORY_DTYPES =
      Map.of(
          MemoryDtype.FLOAT32, NativeCrdMemoryDtype.kFloat32,
          MemoryDtype.BFLOAT16, NativeCrdMemoryDtype.kBFloat16);

  @AutoClose private final PointerScope scope = new PointerScope();

  private final Tensor student = embeddings(1, BATCH);
  private final Tensor teacher = embeddings(2, BATCH);
  private final Tensor studentMemory = embeddings(3, ROWS);
  private final Tensor teacherMemory = embeddings(4, ROWS);
  private final Tensor classes = rows(7, -1, 4, 7, 4, 7, -1);
  private final Tensor contrast = CrdLoss.contrast(rows(0, 6, 2, 2), ROWS, 5);

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("crd_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void compute_golden_hasItsLossesAndGradients(String name, Precision precision)
      throws IOException {
    Map<String, Tensor> golden = GoldenCases.read(name);
    double temperature = golden.get("temperature").item_double();
    String before = "";
    double zStudent = 0;
    double zTeacher = 0;
    for (int i = 0; i < GoldenCases.listed(golden, "loss").size(); i++) {
      Tensor features = precision.trainable(golden.get("f_s" + i));
      Map<String, Tensor> layers =
          Stream.of("student_weight", "student_bias", "teacher_weight", "teacher_bias")
              .collect(
                  Collectors.toMap(Function.identity(), x -> precision.trainable(golden.get(x))));
      Tensor embedded = embed(features, layers, "student");
      Tensor target = embed(precision.of(golden.get("f_t" + i)), layers, "teacher");
      Tensor students = precision.of(golden.get("student_memory" + before));
      Tensor teachers = precision.of(golden.get("teacher_memory" + before));
      Tensor candidates = golden.get("contrast" + i);
      if (i == 0) {
        zStudent = CrdLoss.z(embedded, teachers, candidates, temperature);
        zTeacher = CrdLoss.z(target, students, candidates, temperature);
      }

      Tensor loss =
          CrdLoss.compute(
              embedded, target, students, teachers, candidates, zStudent, zTeacher, temperature);
      loss.backward();

      String step = String.valueOf(i);
      precision.assertClose("student's z " + i, zStudent, golden.get("z_student" + i));
      precision.assertClose("teacher's z " + i, zTeacher, golden.get("z_teacher" + i));
      assertThat(loss.scalar_type().intern()).isEqualTo(precision.dtype());
      precision.assertClose("loss " + i, loss, golden.get("loss" + i));
      precision.assertClose("features " + i, features.grad(), golden.get("grad_f_s" + i));
      layers.forEach(
          (layer, value) ->
              precision.assertClose(layer, value.grad(), golden.get("grad_" + layer + step)));
      before = step;
    }
  }

  /** A linear layer, then division by the length. */
  private static Tensor embed(Tensor features, Map<String, Tensor> layers, String network) {
    return torch.normalize(
        torch.linear(
            features,
            layers.get(network + "_weight"),
            new TensorOptional(layers.get(network + "_bias"))));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void compute_halfPrecision_isThatOfItsFloats(ScalarType dtype) {
    Tensor half = student.to(dtype);
    Tensor target = teacher.to(dtype);

    Tensor loss = compute(half, target);

    assertThat(loss.scalar_type().intern()).isEqualTo(ScalarType.Float);
    Tensor expected = compute(half.to(ScalarType.Float), target.to(ScalarType.Float));
    assertThat(Bits.of(loss)).isEqualTo(Bits.of(expected));
  }

  @ParameterizedTest
  @EnumSource(names = {"Half", "BFloat16"})
  void backward_halfPrecision_givesHalfPrecision(ScalarType dtype) {
    Tensor half = student.to(dtype).requires_grad_(true);
    compute(half, teacher.to(dtype)).backward();
    Gradients.assertGiven(half, dtype);
  }

  @Test
  void backward_whatRequiresGradient_givesIt() {
    student.requires_grad_(true);
    studentMemory.requires_grad_(true);
    compute(student, teacher).backward();
    Gradients.assertGiven(student, ScalarType.Float);
    assertThat(teacher.grad().defined()).isFalse();
    assertThat(studentMemory.grad().defined()).isFalse();

    teacher.requires_grad_(true);
    compute(student, teacher).backward();
    Gradients.assertGiven(teacher, ScalarType.Float);
  }

  @Test
  void backward_graphKept_givesTheSameAgain() {
    student.requires_grad_(true);
    Gradients.assertRepeatable(compute(student, teacher), student);
  }

  @Test
  void backward_ofTheGradient_isRefusedInOneLine() {
    student.requires_grad_(true);
    Gradients.assertOnce(compute(student, teacher), student, "crd_loss");
  }

  @Test
  void contrast_drawn_hasTheOwnRowFirstAndThenOthers() {
    Tensor own = rows(0, 6, 2, 2);

    Retort.manualSeed(5);
    Tensor drawn = CrdLoss.contrast(own, ROWS, 200);

    assertThat(drawn.scalar_type().intern()).isEqualTo(ScalarType.Long);
    assertThat(drawn.shape()).containsExactly(BATCH, 201);
    assertThat(Bits.of(drawn.select(1, 0))).isEqualTo(Bits.of(own));
    assertThat(drawn.eq(own.unsqueeze(1)).sum().item_long()).isEqualTo(BATCH);
    assertThat(drawn.min().item_long()).isZero();
    assertThat(drawn.max().item_long()).isEqualTo(ROWS - 1);
    Retort.manualSeed(5);
    assertThat(Bits.of(CrdLoss.contrast(own, ROWS, 200))).isEqualTo(Bits.of(drawn));
    assertThat(Bits.of(CrdLoss.contrast(own, ROWS, 200))).isNotEqualTo(Bits.of(drawn));
  }

  @Test
  void classContrast_exact_hasTheOwnRowAndThenEachOfOtherClassesOnce() {
    Tensor own = rows(0, 6, 2, 2);

    Retort.manualSeed(5);
    Tensor drawn = CrdLoss.classContrast(own, classes, 3, false);

    assertThat(drawn.scalar_type().intern()).isEqualTo(ScalarType.Long);
    assertThat(drawn.shape()).containsExactly(BATCH, 4);
    assertThat(Bits.of(drawn.select(1, 0))).isEqualTo(Bits.of(own));
    assertThat(negativesOfOwnClass(drawn)).isZero();
    for (int i = 0; i < BATCH; i++) {
      assertThat(values(drawn.select(0, i))).doesNotHaveDuplicates();
    }
    Retort.manualSeed(5);
    assertThat(Bits.of(CrdLoss.classContrast(own, classes, 3, false))).isEqualTo(Bits.of(drawn));
  }

  @Test
  void classContrast_moreNegativesThanOthers_repeatsThem() {
    Tensor drawn = CrdLoss.classContrast(rows(0, 6, 2, 2), classes, 50, false);
    assertThat(drawn.shape()).containsExactly(BATCH, 51);
    assertThat(negativesOfOwnClass(drawn)).isZero();
  }

  @Test
  void classContrast_relaxed_hasAnyRowOfTheClassFirst() {
    Set<Integer> positives = new HashSet<>();
    for (int batch = 0; batch < 100; batch++) { // equal rows of one draw the same
      Tensor drawn = CrdLoss.classContrast(rows(0, 0), classes, 2, true);
      assertThat(Bits.of(drawn.select(0, 1))).isEqualTo(Bits.of(drawn.select(0, 0)));
      assertThat(negativesOfOwnClass(drawn)).isZero();
      positives.add((int) drawn.select(0, 0).select(0, 0).item_long());
    }
    assertThat(positives).containsExactlyInAnyOrder(0, 3, 5);
  }

  /** Counts the negatives that are of the class of their positive. */
  private long negativesOfOwnClass(Tensor drawn) {
    Tensor ofRows = classes.index_select(0, drawn.flatten()).view(drawn.shape());
    Tensor negatives = ofRows.narrow(1, 1, drawn.size(1) - 1);
    return negatives.eq(ofRows.narrow(1, 0, 1)).sum().item_long();
  }

  private static long[] values(Tensor rows) {
    LongBuffer buffer = Buffers.longs(rows);
    return LongStream.generate(buffer::get).limit(buffer.remaining()).toArray();
  }

  @Test
  void z_temperatureTooLow_isInfinite() {
    assertThat(CrdLoss.z(student, teacherMemory, contrast, 1e-4)).isInfinite();
  }

  @Test
  void compute_eachTensor_isChecked() {
    assertChecked("CrdLoss.compute: student", x -> compute(x, teacher));
    assertChecked("CrdLoss.compute: teacher", x -> compute(student, x));
    assertChecked(
        "CrdLoss.compute: student memory",
        x -> CrdLoss.compute(student, teacher, x, teacherMemory, contrast, 1, 1, 1));
    assertChecked(
        "CrdLoss.compute: teacher memory",
        x -> CrdLoss.compute(student, teacher, studentMemory, x, contrast, 1, 1, 1));
    assertChecked("CrdLoss.compute: contrast", x -> compute(x));
    assertChecked("CrdLoss.z: embeddings", x -> CrdLoss.z(x, teacherMemory, contrast, 1));
    assertChecked("CrdLoss.z: memory", x -> CrdLoss.z(student, x, contrast, 1));
    assertChecked("CrdLoss.z: contrast", x -> CrdLoss.z(student, teacherMemory, x, 1));
    assertChecked("CrdLoss.contrast: indices", x -> CrdLoss.contrast(x, ROWS, 1));
    assertChecked(
        "CrdLoss.classContrast: indices", x -> CrdLoss.classContrast(x, classes, 1, false));
    assertChecked(
        "CrdLoss.classContrast: classes", x -> CrdLoss.classContrast(rows(0), x, 1, false));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void compute_numberNotPositiveAndFinite_isRejected(double number) {
    String rule = " must be positive and finite (got " + number + ")";
    assertIllegal(() -> compute(number, 1, 1), "CrdLoss.compute: z student" + rule);
    assertIllegal(() -> compute(1, number, 1), "CrdLoss.compute: z teacher" + rule);
    assertIllegal(() -> compute(1, 1, number), "CrdLoss.compute: temperature" + rule);
    assertIllegal(
        () -> CrdLoss.z(student, teacherMemory, contrast, number), "CrdLoss.z: temperature" + rule);
    assertIllegal(() -> LOSS.withTemperature(number), "CrdLoss: temperature" + rule);
  }

  @Test
  void compute_tensorsThatDoNotFit_isRefused() {
    assertComputeRefused(
        () -> compute(torch.zeros(4), teacher),
        "student must be of shape [batch, dimension] (got [4])");
    assertComputeRefused(
        () -> compute(torch.zeros(0, 3), teacher), "student must not be empty (got [0, 3])");
    assertComputeRefused(
        () -> compute(student, torch.zeros(4, 2)),
        "student and teacher must have the same shape (got [4, 3] and [4, 2])");
    assertComputeRefused(
        () -> compute(student, teacher.to(ScalarType.Double)),
        "student and teacher must have the same dtype (got Float and Double)");
    assertComputeRefused(
        () -> compute(student.to(ScalarType.Long), teacher),
        "student must be floating point (got Long)");
    assertComputeRefused(
        () -> compute(student.to_sparse(), teacher), "student must be dense (got Sparse)");
    Tensor narrow = torch.zeros(ROWS, 2);
    assertComputeRefused(
        () -> CrdLoss.compute(student, teacher, narrow, teacherMemory, contrast, 1, 1, 1),
        "student_memory must be of shape [rows, 3] and not empty (got [7, 2])");
    Tensor exact = teacherMemory.to(ScalarType.Double);
    assertComputeRefused(
        () -> CrdLoss.compute(student, teacher, studentMemory, exact, contrast, 1, 1, 1),
        "teacher_memory must be Float or BFloat16 for embeddings of Float (got Double)");
    assertComputeRefused(
        () -> compute(contrast.to(ScalarType.Int)), "contrast must be int64 (got Int)");
    assertComputeRefused(
        () -> compute(rows(1, 2, 3, 4)), "contrast must be of rank 2 and not empty (got [4])");
    assertComputeRefused(
        () -> compute(rows(1, 2, 3, 4).unsqueeze(1)),
        "contrast must be of shape [4, negatives + 1] (got [4, 1])");
    assertComputeRefused(
        () -> compute(torch.full_like(contrast, new Scalar(ROWS))),
        "contrast must be between 0 and 6 (got 7)");
  }

  @Test
  void zAndContrast_tensorsThatDoNotFit_areRefused() {
    assertRefused(
        () -> CrdLoss.z(student, torch.zeros(ROWS, 2), contrast, 1),
        "crd_z: memory must be of shape [rows, 3] and not empty (got [7, 2])");
    assertRefused(
        () -> CrdLoss.contrast(student, ROWS, 1),
        "crd_contrast: indices must be int64 (got Float)");
    assertRefused(
        () -> CrdLoss.contrast(rows(0, -1), ROWS, 1),
        "crd_contrast: indices must be between 0 and 6 (got -1)");
    assertRefused(
        () -> CrdLoss.classContrast(rows(7), classes, 1, false),
        "crd_class_contrast: indices must be between 0 and 6 (got 7)");
    assertRefused(
        () -> CrdLoss.classContrast(rows(0), classes.to(ScalarType.Int), 1, false),
        "crd_class_contrast: classes must be int64 of shape [rows] (got Int [7])");
    assertRefused(
        () -> CrdLoss.classContrast(rows(0), rows(3, 3), 1, false),
        "crd_class_contrast: classes must be at least two different ones (got only 3)");
  }

  @Test
  void options_tooSmall_areRejected() {
    assertIllegal(
        () -> CrdLoss.forSamples(1), "CrdLoss.forSamples: samples must be at least 2 (got 1)");
    assertIllegal(() -> LOSS.withNegatives(0), "CrdLoss: negatives must be at least 1 (got 0)");
    assertIllegal(() -> LOSS.withDimension(-3), "CrdLoss: dimension must be at least 1 (got -3)");
    assertIllegal(
        () -> CrdLoss.contrast(rows(0), 1, 1), "CrdLoss.contrast: rows must be at least 2 (got 1)");
    assertIllegal(
        () -> CrdLoss.contrast(rows(0), 2, 0),
        "CrdLoss.contrast: negatives must be at least 1 (got 0)");
    assertIllegal(
        () -> CrdLoss.classContrast(rows(0), classes, 0, false),
        "CrdLoss.classContrast: negatives must be at least 1 (got 0)");
    assertIllegal(() -> CrdLoss.forQueue(1), "CrdLoss.forQueue: rows must be at least 2 (got 1)");
  }

  @Test
  void samplesAndQueue_ofTwo_areAccepted() {
    assertThat(CrdLoss.forSamples(2).samples()).isEqualTo(2);
    assertThat(CrdLoss.forQueue(2).queue()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "0, 1", "0, 0", "2, 2", "-1, 2"})
  void samplesAndQueue_neitherOrBoth_areRejected(long samples, long queue) {
    CrdLoss.Z z = LOSS.z();
    assertIllegal(
        () -> new CrdLoss(samples, queue, List.of(), false, z, 1, 1, 1, 0, MemoryDtype.FLOAT32),
        "CrdLoss: samples or queue must be at least 2, and the other 0 (got %s and %s)"
            .formatted(samples, queue));
  }

  @Test
  void toString_ofClasses_hasTheirNumber() {
    assertThat(CrdLoss.forSamples(3).withClasses(1, 2, 2))
        .hasToString(
            "CrdLoss[samples=3, queue=0, classes=2, relaxed=false, z=%s, negatives=16384, dimension=128, "
                    .formatted(LOSS.z())
                + "temperature=0.07, momentum=0.5, memoryDtype=FLOAT32]");
    assertThat(LOSS.toString()).contains(", classes=none, ");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1, Double.NaN})
  void momentum_outOfRange_isRejected(double momentum) {
    assertIllegal(
        () -> LOSS.withMomentum(momentum),
        "CrdLoss: momentum must be at least 0 and below 1 (got " + momentum + ")");
    assertIllegal(
        () -> LOSS.withZ(CrdLoss.Z.movingAverage(momentum)),
        "CrdLoss.Z: momentum must be at least 0 and below 1 (got " + momentum + ")");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void fixedZ_notPositiveAndFinite_isRejected(double z) {
    String rule = " must be positive and finite (got " + z + ")";
    assertIllegal(() -> LOSS.withZ(CrdLoss.Z.fixed(z, 1)), "CrdLoss.Z: student" + rule);
    assertIllegal(() -> LOSS.withZ(CrdLoss.Z.fixed(1, z)), "CrdLoss.Z: teacher" + rule);
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "0, 1"})
  void valuesOfZ_notFixed_areRejected(double student, double teacher) {
    assertIllegal(
        () -> new CrdLoss.Z(ZSource.FIRST_BATCH, student, teacher, 0.99),
        "CrdLoss.Z: student and teacher must be 0 unless fixed (got %s and %s)"
            .formatted(student, teacher));
  }

  @Test
  void classes_thatDoNotFit_areRejected() {
    CrdLoss loss = CrdLoss.forSamples(3);
    assertIllegal(
        () -> loss.withClasses((long[]) null), "CrdLoss: classes must be given (got null)");
    assertIllegal(
        () -> loss.withClasses(1, 2),
        "CrdLoss: classes must be one for each of the 3 samples (got 2)");
    assertIllegal(
        () -> loss.withClasses(5, 5, 5),
        "CrdLoss: classes must be at least two different ones (got only 5)");
    assertIllegal(
        () -> CrdLoss.forQueue(3).withClasses(1, 2, 3),
        "CrdLoss: classes must not be given with a queue (got some)");
    String rule = "CrdLoss: classes must be given if relaxed (got none)";
    assertIllegal(() -> loss.withRelaxed(true), rule);
    assertIllegal(() -> CrdLoss.forQueue(3).withRelaxed(true), rule);
  }

  @Test
  void classes_changedLater_keepTheirValues() {
    long[] given = {1, 2, 2};
    CrdLoss loss = CrdLoss.forSamples(3).withClasses(given);

    given[0] = 2;

    assertThat(loss.classes()).containsExactly(1L, 2L, 2L);
    assertPassedOn(loss);
  }

  @Test
  void options_set_areKeptAndPassedOn() {
    CrdLoss loss = LOSS.withNegatives(7).withDimension(9).withTemperature(0.2).withMomentum(0.25);

    assertThat(loss.samples()).isEqualTo(50);
    assertThat(loss.negatives()).isEqualTo(7);
    assertThat(loss.dimension()).isEqualTo(9);
    assertThat(loss.temperature()).isEqualTo(0.2);
    assertThat(loss.momentum()).isEqualTo(0.25);
    assertPassedOn(loss);
    assertPassedOn(LOSS);
  }

  @Test
  void options_ofVariants_areKeptAndPassedOn() {
    CrdLoss queue = CrdLoss.forQueue(20).withNegatives(3);
    CrdLoss relaxed = CrdLoss.forSamples(3).withClasses(1, 2, 2).withRelaxed(true).withMomentum(0);
    CrdLoss fixed = LOSS.withZ(CrdLoss.Z.fixed(2, 3)).withDimension(4);
    CrdLoss average = LOSS.withZ(CrdLoss.Z.movingAverage(0.75)).withTemperature(1);
    CrdLoss rounded = LOSS.withMemoryDtype(MemoryDtype.BFLOAT16).withMomentum(0.75);

    assertThat(queue.queue()).isEqualTo(20);
    assertThat(queue.samples()).isZero();
    assertThat(queue.negatives()).isEqualTo(3);
    assertThat(relaxed.classes()).containsExactly(1L, 2L, 2L);
    assertThat(relaxed.relaxed()).isTrue();
    assertThat(LOSS.relaxed()).isFalse();
    assertThat(fixed.z().source()).isEqualTo(ZSource.FIXED);
    assertThat(fixed.z().student()).isEqualTo(2);
    assertThat(fixed.z().teacher()).isEqualTo(3);
    assertThat(average.z().source()).isEqualTo(ZSource.MOVING_AVERAGE);
    assertThat(average.z().momentum()).isEqualTo(0.75);
    assertThat(rounded.memoryDtype()).isEqualTo(MemoryDtype.BFLOAT16);
    Stream.of(queue, relaxed, fixed, average, rounded).forEach(CrdLossTest::assertPassedOn);
  }

  private static void assertPassedOn(CrdLoss loss) {
    try (NativeCrdOptions options = loss.nativeOptions()) {
      assertThat(options.samples()).isEqualTo(loss.samples());
      assertThat(options.negatives()).isEqualTo(loss.negatives());
      assertThat(options.dimension()).isEqualTo(loss.dimension());
      assertThat(options.temperature()).isEqualTo(loss.temperature());
      assertThat(options.momentum()).isEqualTo(loss.momentum());
      assertThat(options.memory_dtype().intern()).isEqualTo(MEMORY_DTYPES.get(loss.memoryDtype()));
      assertThat(options.queue()).isEqualTo(loss.queue());
      assertThat(options.classes().defined()).isEqualTo(!loss.classes().isEmpty());
      if (options.classes().defined()) {
        assertThat(values(options.classes())).containsExactly(loss.classes().toArray(Long[]::new));
      }
      assertThat(options.relaxed()).isEqualTo(loss.relaxed());
      assertThat(options.z().intern()).isEqualTo(Z_SOURCES.get(loss.z().source()));
      assertThat(options.z_student()).isEqualTo(loss.z().student());
      assertThat(options.z_teacher()).isEqualTo(loss.z().teacher());
      assertThat(options.z_momentum()).isEqualTo(loss.z().momentum());
    }
  }

  @Test
  void defaults_always_areTheNativeOnes() {
    try (NativeCrdOptions defaults = new NativeCrdOptions()) {
      assertThat(LOSS.negatives()).isEqualTo(defaults.negatives());
      assertThat(LOSS.dimension()).isEqualTo(defaults.dimension());
      assertThat(LOSS.temperature()).isEqualTo(defaults.temperature());
      assertThat(LOSS.momentum()).isEqualTo(defaults.momentum());
      assertThat(MEMORY_DTYPES).containsEntry(LOSS.memoryDtype(), defaults.memory_dtype().intern());
      assertThat(LOSS.queue()).isEqualTo(defaults.queue());
      assertThat(defaults.classes().defined()).isFalse();
      assertThat(LOSS.relaxed()).isEqualTo(defaults.relaxed());
      assertThat(Z_SOURCES).containsEntry(LOSS.z().source(), defaults.z().intern());
      assertThat(LOSS.z().momentum()).isEqualTo(defaults.z_momentum());
    }
  }

  private static Tensor embeddings(long seed, long count) {
    Retort.manualSeed(seed);
    return torch.normalize(torch.randn(count, DIMENSION));
  }

  private static Tensor rows(long... rows) {
    return Tensor.create(rows);
  }

  private Tensor compute(Tensor students, Tensor teachers) {
    return CrdLoss.compute(students, teachers, studentMemory, teacherMemory, contrast, 60, 70, 0.5);
  }

  private Tensor compute(Tensor candidates) {
    return CrdLoss.compute(student, teacher, studentMemory, teacherMemory, candidates, 60, 70, 0.5);
  }

  private Tensor compute(double zStudent, double zTeacher, double temperature) {
    return CrdLoss.compute(
        student, teacher, studentMemory, teacherMemory, contrast, zStudent, zTeacher, temperature);
  }

  private static void assertComputeRefused(ThrowingCallable call, String rule) {
    assertRefused(call, "crd_loss: " + rule);
  }
}
