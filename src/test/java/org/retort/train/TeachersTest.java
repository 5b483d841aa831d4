package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Augmentation;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.data.Subset;
import org.retort.losses.DkdLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.Preprocessing;
import org.retort.models.ResNet;
import org.retort.testing.Buffers;

final class TeachersTest {
  private static final KdLoss KD = KdLoss.of(4);
  private static final int PIXELS = Digits.SIDE * Digits.SIDE;
  private static final int LOGITS = SmallStep.BATCH * SmallStep.CLASSES;

  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final SmallStep small = new SmallStep();
  @TempDir private Path folder;
  @AutoClose private final Network other = ResNet.cifar(14, SmallStep.CLASSES);

  private final FloatBuffer ofA = Buffers.random(11, LOGITS);
  private final FloatBuffer ofB = Buffers.random(12, LOGITS);

  /** Builds a step whose student is always the same. */
  private static TrainingStep step(Teacher[] teachers, Term... terms) {
    Retort.manualSeed(5);
    try (Network student = ResNet.cifar(8, SmallStep.CLASSES)) {
      TrainingStepBuilder builder =
          TrainingStep.builder(student, teachers).inputShape(3, 8, 8).crossEntropy(0);
      for (Term term : terms) {
        builder.add(term);
      }
      return builder.build();
    }
  }

  private Teacher[] both() {
    return new Teacher[] {Teacher.of("a", small.teacher), Teacher.of("b", other)};
  }

  /** Returns the terms of the first step. */
  private double[] terms(TrainingStep made, Function<StepInput, StepInput> change) {
    try (TrainingStep step = made) {
      StepResult result = step.newResult();
      step.run(change.apply(StepInput.of(small.images, small.labels)), result);
      return IntStream.range(0, result.terms()).mapToDouble(result::term).toArray();
    }
  }

  private double term(Teacher teacher, Term term) {
    return terms(step(new Teacher[] {teacher}, term), input -> input)[0];
  }

  @Test
  void terms_ofSeveralTeachers_areThoseOfEachAlone() {
    Term onFeatures = Term.of(1, NstLoss.linear()).withTaps(Taps.of("layer1"));
    Term onLogits = Term.of(1, KD);
    double[] terms =
        terms(
            step(
                both(),
                onLogits.withTeacher("a"),
                onLogits.withTeacher("b"),
                onFeatures.withTeacher("b")),
            input -> input);
    assertThat(terms)
        .containsExactly(
            term(Teacher.of(small.teacher), onLogits),
            term(Teacher.of(other), onLogits),
            term(Teacher.of(other), onFeatures));
  }

  @Test
  void means_ofLogitsAndProbabilities_followTheWeights() {
    Teacher[] elsewhere = {Teacher.given("a").withWeight(3), Teacher.given("b")};
    double[] terms =
        terms(
            step(
                elsewhere,
                Term.of(1, KD).withTeacherMean(TeacherMean.LOGITS),
                Term.of(1, KD).withTeacherMean(TeacherMean.PROBABILITIES),
                Term.of(1, KD).withTeacherMean(TeacherMean.PROBABILITIES, "b")),
            input -> input.withTeacher("a", ofA).withTeacher("b", ofB));
    assertThat(terms[0])
        .isCloseTo(withLogits(KD, mixed(value -> value, 0.75, 1)), within(1e-5 * terms[0]));
    KdLoss ofProbabilities = KD.withTarget(KdLoss.Target.PROBABILITIES);
    assertThat(terms[1])
        .isCloseTo(
            withLogits(ofProbabilities, mixed(TeachersTest::softmax, 0.75, 4)),
            within(1e-5 * terms[1]));
    assertThat(terms[2]).isCloseTo(withLogits(KD, ofB), within(1e-5 * terms[2]));
  }

  private double withLogits(KdLoss loss, FloatBuffer logits) {
    Teacher[] one = {Teacher.given("only")};
    return terms(step(one, Term.of(1, loss)), input -> input.withTeacher(logits))[0];
  }

  /** Mixes rows of both teachers' logits, divided by the temperature and changed. */
  private FloatBuffer mixed(
      Function<double[], double[]> change, double weightOfA, double temperature) {
    FloatBuffer values = Buffers.floats(LOGITS);
    for (int sample = 0; sample < SmallStep.BATCH; sample++) {
      double[] a = change.apply(row(ofA, sample, temperature));
      double[] b = change.apply(row(ofB, sample, temperature));
      for (int i = 0; i < SmallStep.CLASSES; i++) {
        values.put(
            sample * SmallStep.CLASSES + i, (float) (weightOfA * a[i] + (1 - weightOfA) * b[i]));
      }
    }
    return values;
  }

  private static double[] row(FloatBuffer logits, int sample, double temperature) {
    return IntStream.range(0, SmallStep.CLASSES)
        .mapToDouble(i -> logits.get(sample * SmallStep.CLASSES + i) / temperature)
        .toArray();
  }

  private static double[] softmax(double[] logits) {
    double[] powers =
        IntStream.range(0, logits.length).mapToDouble(i -> Math.exp(logits[i])).toArray();
    double sum = IntStream.range(0, powers.length).mapToDouble(i -> powers[i]).sum();
    return IntStream.range(0, powers.length).mapToDouble(i -> powers[i] / sum).toArray();
  }

  @Test
  void outputs_givenOfOneTeacher_leaveTheOthersToTheirNetworks() {
    Term[] terms = {Term.of(1, KD).withTeacher("a"), Term.of(1, KD).withTeacher("b")};
    double[] given =
        terms(
            step(both(), terms), input -> input.withTeacher("a", Tensor.create(array(ofA), 4, 5)));
    assertThat(given[0]).isCloseTo(withLogits(KD, ofA), within(1e-6));
    assertThat(given[1]).isEqualTo(term(Teacher.of(other), Term.of(1, KD)));
  }

  private static float[] array(FloatBuffer buffer) {
    float[] values = new float[buffer.remaining()];
    buffer.duplicate().get(values);
    return values;
  }

  @Test
  void preprocessing_ofATeacher_isItsOwn() {
    Preprocessing own =
        Preprocessing.of(3, 16, 12).withNormalization(new double[] {0.5}, new double[] {0.25});
    Teacher[] teachers = both();
    teachers[1] = teachers[1].withPreprocessing(own);
    Term term = Term.of(1, KD).withTeacher("b");
    double[] resized = terms(step(teachers, term), input -> input);
    assertThat(other.preprocessing()).isEqualTo(own);
    assertThat(small.teacher.preprocessing().mean()).isEmpty();
    teachers[1] = Teacher.of("b", other).withPreprocessing(Preprocessing.of(3, 8, 8));
    assertThat(terms(step(teachers, term), input -> input)).isNotEqualTo(resized);
  }

  @Test
  void result_namesEachTeachersFormat() {
    Teacher[] teachers = both();
    teachers[1] = teachers[1].withMemoryFormat(MemoryFormat.CONTIGUOUS);
    try (TrainingStep step = step(teachers, Term.of(1, KD).withTeacherMean(TeacherMean.LOGITS))) {
      StepResult result = step.newResult();
      step.run(small.images, small.labels, null, result);
      assertThat(result.teacherFormat(0)).isEqualTo(MemoryFormat.CHANNELS_LAST);
      assertThat(result.teacherFormat()).isEqualTo(MemoryFormat.CHANNELS_LAST);
      assertThat(result.teacherFormat(1)).isEqualTo(MemoryFormat.CONTIGUOUS);
      assertIllegal(
          () -> result.teacherFormat(52),
          "StepResult.teacherFormat: teacher must be between 0 and 51 (got 52)");
    }
  }

  @Test
  void teacherTaps_areThoseOfTheNamedTeacher() {
    Term term = Term.of(1, NstLoss.linear());
    try (TrainingStep step =
        step(
            both(),
            term.withTaps(Taps.of("layer1")).withTeacher("a"),
            term.withTaps(Taps.of("layer2")).withTeacher("b"))) {
      assertThat(step.teacherTaps("a")).containsExactly("layer1");
      assertThat(step.teacherTaps("b")).containsExactly("layer2");
      assertIllegal(
          step::teacherTaps,
          "TrainingStep.teacherTaps: teacher must be named where there are several, a, b (got no"
              + " name)");
      StepInput input = StepInput.of(small.images, small.labels);
      assertIllegal(
          () -> step.run(input.withTeacher("another", ofA), step.newResult()),
          "TrainingStep.run: teacher must be one of a, b (got another)");
      assertIllegal(
          () -> step.run(input.withTeacher(ofA), step.newResult()),
          "TrainingStep.run: teacher must be named where there are several, a, b (got no name)");
    }
  }

  @Test
  void terms_thatDoNotFitTheTeachers_areRefused() {
    assertRefused(
        () -> step(both(), Term.of(1, KD)),
        "TrainingStep: teacher of a term must be named where there are several, a, b (got no name)");
    assertRefused(
        () -> step(both(), Term.of(1, KD).withTeacher("another")),
        "TrainingStep: teacher of a term must be one of a, b (got another)");
    assertRefused(
        () ->
            step(
                both(),
                Term.of(1, DkdLoss.of(4).withStandardise(true))
                    .withTeacherMean(TeacherMean.PROBABILITIES)),
        "TrainingStep: mean of a loss that does not soften the teacher's logits by a temperature"
            + " must be of logits (got probabilities for dkd_loss(alpha=1, beta=8, temperature=4,"
            + " standardise=true))");
    try (Network wide = ResNet.cifar(8, 7)) {
      assertRefused(
          () ->
              step(
                  new Teacher[] {Teacher.of("a", small.teacher), Teacher.of("wide", wide)},
                  Term.of(1, KD).withTeacherMean(TeacherMean.LOGITS)),
          "TrainingStep: teachers whose logits are mixed must have the same number of classes (got"
              + " 5 of a and 7 of wide)");
    }
  }

  @Test
  void storedOutputs_besideANetwork_areAsGoodAsGivenOnes() {
    Term mean = Term.of(1, KD).withTeacherMean(TeacherMean.LOGITS);
    try (StoredOutputs outputs = stored(ofA)) {
      Teacher[] stored = {Teacher.of("a", outputs).withWeight(3), Teacher.of("b", other)};
      Teacher[] given = {Teacher.given("a").withWeight(3), Teacher.of("b", other)};
      assertThat(terms(step(stored, mean), input -> input.withIndices(small.indices)))
          .containsExactly(terms(step(given, mean), input -> input.withTeacher("a", ofA)));
    }
  }

  @Test
  void storedOutputs_withANetworkOrACache_areRejected() {
    try (StoredOutputs outputs = stored(ofA)) {
      assertIllegal(
          () -> Teacher.of("a", outputs).withCache(8),
          "Teacher: cache samples must be 0 with stored outputs (got 8)");
      assertIllegal(
          () ->
              new Teacher(
                  "a",
                  Optional.of(other),
                  Optional.of(outputs),
                  1,
                  Preprocessing.of(),
                  Optional.empty(),
                  Precision.FULL,
                  TeacherBatchNorm.EVALUATION,
                  0,
                  Optional.empty()),
          "Teacher: network must not be given with stored outputs (got both)");
    }
  }

  /** Stores logits of the batch's samples. */
  private StoredOutputs stored(FloatBuffer logits) {
    Path file = folder.resolve("outputs");
    StoredOutputsFormat format = StoredOutputsFormat.of(8, SmallStep.CLASSES);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      writer.write(small.indices, logits);
      writer.finish();
    }
    return StoredOutputs.open(file);
  }

  @Test
  void argument_wrong_isRejected() {
    assertIllegal(
        () -> TrainingStep.builder(small.student, Teacher.given("a"), Teacher.given("a")),
        "TrainingStep.builder: teachers must have names of their own (got a twice)");
    assertIllegal(
        () -> Teacher.given("a.b"), "Teacher: name must be of letters, digits, _ and - (got a.b)");
    assertIllegal(
        () -> Teacher.given(""), "Teacher: name must be of letters, digits, _ and - (got nothing)");
    assertIllegal(
        () -> Teacher.of("a", (Network) null), "Teacher.of: network must be given (got null)");
    assertIllegal(
        () -> Teacher.of((StoredOutputs) null), "Teacher.of: outputs must be given (got null)");
    assertIllegal(
        () -> Teacher.given("a").withWeight(-1),
        "Teacher: weight must be at least 0 and finite (got -1.0)");
    Term onFeatures = Term.of(1, OfdLoss.ofBatchMargins()).withTaps(Taps.of("layer1"));
    assertIllegal(
        () -> onFeatures.withTeacherMean(TeacherMean.LOGITS),
        "Term: teacher of a term with taps must be one (got a mean)");
    assertIllegal(
        () -> new Term(1, KD, Taps.of(), Schedule.constant(), List.of("a", "b"), Optional.empty()),
        "Term: teachers must be one, unless a mean is taken of them (got a, b)");
  }

  /** The student sees no label: what it knows of either half, it has from that half's teacher. */
  @Test
  void student_ofTeachersOfDisjointHalvesOfTheClasses_beatsBoth() {
    Digits digits = Digits.load();
    int half = Digits.CLASSES / 2;
    try (Network low = trained(half(digits.train(), 0, half), 1);
        Network high = trained(half(digits.train(), half, Digits.CLASSES), 2);
        Network student = network(3);
        DatasetBatches batches = batches(digits.train())) {
      try (TrainingStep step =
          TrainingStep.builder(student, Teacher.of("low", low), Teacher.of("high", high))
              .inputShape(PIXELS)
              .crossEntropy(0)
              .add(Term.of(1, KD).withTeacherMean(TeacherMean.PROBABILITIES))
              .optimizer(Sgd.of(0.05).withMomentum(0.9))
              .build()) {
        Trainer.builder(step, batches).epochs(6).build().run();
      }
      double ofLow = accuracy(low, digits);
      double ofHigh = accuracy(high, digits);
      // Neither teacher knows more than its half.
      assertThat(ofLow).isBetween(0.35, 0.52);
      assertThat(ofHigh).isBetween(0.35, 0.52);
      assertThat(accuracy(student, digits)).isGreaterThan(0.75);
    }
  }

  private static Dataset half(Dataset all, int first, int end) {
    return Subset.of(
        all,
        IntStream.range(0, all.size())
            .filter(i -> all.label(i) >= first && all.label(i) < end)
            .toArray());
  }

  private static Network network(long seed) {
    Retort.manualSeed(seed);
    return Mlp.of(PIXELS, 64, Digits.CLASSES);
  }

  private static DatasetBatches batches(Dataset dataset) {
    return DatasetBatches.builder(dataset).size(32).augmentation(Augmentation.none()).build();
  }

  /** Trains a weak teacher. */
  private static Network trained(Dataset dataset, long seed) {
    Network network = network(seed);
    try (DatasetBatches batches = batches(dataset);
        TrainingStep step =
            TrainingStep.builder(network)
                .inputShape(PIXELS)
                .optimizer(Sgd.of(0.05).withMomentum(0.9))
                .build()) {
      Trainer.builder(step, batches).epochs(2).build().run();
    }
    return network;
  }

  private static double accuracy(Network network, Digits digits) {
    try (DatasetBatches test = DatasetBatches.inOrder(digits.test(), 256)) {
      return Evaluation.accuracy(network, test);
    }
  }
}
