package org.retort.testing;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.losses.CrdLoss;
import org.retort.losses.DkdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.models.Mlp;
import org.retort.models.MobileNetV2;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Preprocessing;
import org.retort.models.ResNet;
import org.retort.models.ShuffleNetV1;
import org.retort.models.ShuffleNetV2;
import org.retort.models.TorchScriptNetwork;
import org.retort.models.Vgg;
import org.retort.models.WideResNet;
import org.retort.train.Adam;
import org.retort.train.CrossEntropy;
import org.retort.train.FileAccess;
import org.retort.train.MemoryFormat;
import org.retort.train.ParameterGroup;
import org.retort.train.Precision;
import org.retort.train.Schedule;
import org.retort.train.Sgd;
import org.retort.train.Stage;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.Taps;
import org.retort.train.Teacher;
import org.retort.train.TeacherBatchNorm;
import org.retort.train.TrainingStep;

/** Makes every call from Java into native code once, and each kind of failure. */
public final class EveryCall {
  private EveryCall() {}

  /** Leaves its files in the current folder; prints {@code done} at the end. */
  public static void main(String[] args) {
    Retort.threads(1);
    Retort.manualSeed(1);
    Retort.releaseMemory();
    System.out.println(Retort.version() + " " + Retort.cpuKernels() + " " + Retort.threads());
    Path program =
        Program.linear(5)
            .save(
                Path.of("program.ts"), "return torch.linear(x.flatten(1), self.weight), {'x': x}");
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = TorchScriptNetwork.load(program, "x");
        TrainingStep step = step(student, teacher)) {
      Path file = Path.of("student.pt");
      useNetwork(student, file);
      useNetwork(teacher, Path.of("teacher.pt"));
      useStep(step);
      student.backbone();
      student.normBefore("layer1.pre");
      expectFailure(() -> student.normBefore("stem"));
      expectFailure(teacher::backbone);
      useTerms(student);
      useStages(student);
      useStoredOutputs(student, teacher);
      expectFailure(() -> teacher.loadStateDict(file));
      expectFailure(() -> teacher.tapShape("y"));
      expectFailure(() -> teacher.probe(3, 4, 4));
    }
    useNetworks();
    useKd();
    useMapLosses();
    useCrd();
    useOfd();
    System.out.println("done");
  }

  private static TrainingStep step(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 2, 2)
        .add(1, KdLoss.of(4))
        .optimizer(Sgd.of(0.1).withMomentum(0.9).withSchedule(Schedule.milestones(0.1, 1)))
        .build();
  }

  private static void useNetwork(Network network, Path file) {
    System.out.println(network.taps() + " " + network.parameterCount());
    network.probe(3, 2, 2);
    network.inputShape();
    network.classes();
    network.tapShape(network.taps().get(0));
    network.saveTorchScript(file);
    network.saveStateDict(file);
    network.loadStateDict(file);
    network.loadStateDict(Streams.of(Streams.written(network::saveStateDict)));
    TorchScriptNetwork.load(Streams.written(network::saveTorchScript), "x").close();
    expectFailure(() -> network.loadStateDict(new byte[8]));
    expectFailure(() -> network.saveStateDict(Path.of("nowhere", "state")));
    expectFailure(() -> TorchScriptNetwork.load(new byte[8]));
    expectFailure(() -> TorchScriptNetwork.load(Path.of("nothing")));
    network.stateDict().values().forEach(Tensor::close);
    FloatBuffer images = Buffers.random(1, 24);
    try (Tensor tensor = torch.zeros(2, 3, 2, 2);
        Tensor labels = Tensor.create(1L, 2L)) {
      network.predict(tensor).close();
      network.predict(images).close();
      network.publish();
      network.predict(tensor).close();
      network.predict(images, Buffers.floats(2 * 5));
      network.accuracy(tensor, labels);
      network.accuracy(images, Buffers.longs(1, 2));
      network.convert(ScalarType.Float);
      expectFailure(() -> network.accuracy(images, Buffers.longs(1, 9)));
      expectFailure(() -> network.predict(labels));
      network.convert(ScalarType.Double);
      network.publish();
      expectFailure(() -> network.predict(images, Buffers.floats(2 * 5)));
      network.convert(ScalarType.Float);
    }
  }

  private static void useNetworks() {
    Networks.create(Networks.names().get(0), 5, 3).close();
    Networks.createFor("mlp_3", 5, 1, 8, 8).close();
    System.out.println(Networks.nameForms().size() + " " + Networks.isName("mlp_3"));
    WideResNet.cifar(10, 1, 5).close();
    Vgg.cifar(8, 5).close();
    MobileNetV2.cifar(5).close();
    ResNet.imageNet(18, 5).close();
    MobileNetV2.imageNet(5).close();
    ShuffleNetV1.cifar(5).close();
    ShuffleNetV2.cifar(5).close();
    Mlp.of(4, 5).close();
  }

  private static void useStep(TrainingStep step) {
    StepResult result = step.newResult();
    FloatBuffer images = Buffers.random(1, 24);
    LongBuffer rows = Buffers.longs(1, 2);
    try (Tensor tensor = torch.zeros(2, 3, 2, 2);
        Tensor labels = Tensor.create(1L, 2L)) {
      step.run(images, rows, null, result);
      step.run(StepInput.of(images, rows).withIndices(rows).withContrast(rows), result);
      step.run(tensor, labels, null, result);
      step.run(StepInput.of(tensor, labels).withIndices(labels), result);
      step.run(StepInput.of(tensor, labels), result);
      step.run(StepInput.of(ByteBuffer.allocateDirect(24), rows), result);
      step.run(StepInput.of(new float[24], new long[2]), result);
      step.run(StepInput.of(new byte[24], new long[2]).withIndices(new long[2]), result);
      expectFailure(() -> step.run(images, Buffers.longs(1, 9), null, result));
      expectFailure(() -> step.run(tensor, tensor, null, result));
      expectFailure(() -> step.run(StepInput.of(new byte[24], new long[] {1, 9}), result));
    }
    System.out.println(step.steps() + " " + step.learningRate() + " " + result.total());
    System.out.println(step.stage() + " " + step.teacherTaps());
    step.state().values().forEach(Tensor::close);
    Path file = Path.of("step");
    step.save(file);
    step.load(file);
    step.load(Streams.written(stream -> step.save(stream, "note")));
    step.publish();
    expectFailure(() -> step.load(new byte[8]));
    expectFailure(() -> step.load(Path.of("nothing")));
  }

  private static void useStages(Network student) {
    Schedule schedule = Schedule.cosine(9).withWarmup(1);
    try (Network teacher = ResNet.cifar(14, 5);
        Tensor images = torch.zeros(2, 2, 2, 3);
        Tensor labels = Tensor.create(1L, 2L);
        Tensor weights = torch.ones(2);
        Tensor logits = torch.zeros(2, 5);
        Tensor map = torch.zeros(2, 16, 2, 2);
        TrainingStep step =
            TrainingStep.builder(
                    student,
                    Teacher.of("one", teacher)
                        .withWeight(2)
                        .withPreprocessing(Preprocessing.of())
                        .withMemoryFormat(MemoryFormat.CHANNELS_LAST)
                        .withPrecision(Precision.FULL)
                        .withBatchNorm(TeacherBatchNorm.EVALUATION)
                        .withCache(3, Path.of("cache")))
                .inputShape(3, 2, 2)
                .stages(
                    Stage.of(
                            Sgd.of(0.1)
                                .withMomentum(0.9)
                                .withNesterov(true)
                                .withSchedule(schedule)
                                .withDecayNormsAndBiases(false))
                        .withCrossEntropy(
                            CrossEntropy.of(1)
                                .withLabelSmoothing(0.1)
                                .withClassWeights(1, 2, 3, 4, 5)
                                .withSchedule(Schedule.step(1, 0.5)))
                        .add(1, NstLoss.linear(), Taps.of("stem"))
                        .withTrainOnly("fc", "layer3")
                        .withSteps(1),
                    Stage.of(
                        Adam.of(0.1)
                            .withBetas(0.5, 0.5)
                            .withEpsilon(1e-3)
                            .withWeightDecay(0.1)
                            .withDecoupled(true)
                            .withSchedule(schedule)
                            .withGroups(
                                ParameterGroup.of("student.fc")
                                    .withLearningRateFactor(2)
                                    .withWeightDecayFactor(0))))
                .accumulate(1)
                .clipNorm(1)
                .clipValue(1)
                .skipNonFinite()
                .memoryFormat(MemoryFormat.CHANNELS_LAST)
                .studentPrecision(Precision.BFLOAT16)
                .preprocessing(
                    Preprocessing.of()
                        .withNormalization(new double[] {0.5}, new double[] {0.25})
                        .withChannelsLast(true))
                .build()) {
      StepResult result = step.newResult();
      step.run(StepInput.of(new byte[24], new long[2]).withIndices(new long[] {0, 2}), result);
      step.run(
          StepInput.of(images, labels)
              .withIndices(labels)
              .withContrast((Tensor) null)
              .withWeights(weights)
              .withTeacher(logits, map),
          result);
    }
  }

  private static void useStoredOutputs(Network student, Network teacher) {
    Path file = Path.of("outputs");
    StoredOutputsFormat format =
        StoredOutputsFormat.of(4, 5).withTap("x", 3, 2, 2).withTop(2).withNote("x");
    FloatBuffer images = Buffers.random(1, 24);
    LongBuffer rows = Buffers.longs(1, 2);
    try (StoredOutputsWriter writer = StoredOutputs.writer(file, format);
        Tensor tensor = torch.zeros(2, 3, 2, 2);
        Tensor indices = Tensor.create(1L, 2L);
        Tensor logits = torch.zeros(2, 5)) {
      writer.write(indices, logits, tensor);
      writer.write(rows, Buffers.floats(10), images);
      writer.write(new long[2], new float[10], new float[24]);
      writer.write(indices, teacher, tensor);
      writer.write(rows, teacher, images);
      expectFailure(() -> writer.write(tensor, logits, tensor));
      writer.finish();
      System.out.println(writer.rows());
      expectFailure(() -> writer.write(indices, logits, tensor));
    }
    expectFailure(() -> StoredOutputs.open(new byte[8]));
    expectFailure(() -> StoredOutputs.open(Path.of("nothing")));
    expectFailure(() -> StoredOutputs.writer(Path.of("nowhere", "outputs"), format));
    for (FileAccess access : FileAccess.values()) {
      try (StoredOutputs outputs = StoredOutputs.open(file, access);
          TrainingStep step =
              TrainingStep.builder(student, outputs)
                  .inputShape(3, 2, 2)
                  .add(1, KdLoss.of(4))
                  .build()) {
        outputs.logits(1, 2).close();
        outputs.features("x", 1).close();
        expectFailure(() -> outputs.logits(3));
        System.out.println(outputs.missing().length + " " + outputs.rows());
        StepResult result = step.newResult();
        step.run(images, rows, rows, result);
        expectFailure(() -> step.run(images, rows, null, result));
      }
    }
  }

  private static void useTerms(Network student) {
    try (Network teacher = ResNet.cifar(8, 5);
        Tensor margin = torch.zeros(16);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 2, 2)
                .add(1, FspLoss.consecutive(), Taps.of("stem", "layer1"))
                .add(1, NstLoss.gaussian().withDeadChannelNorm(0), Taps.of("layer1", "layer2"))
                .add(
                    1,
                    CrdLoss.forSamples(3).withNegatives(2).withDimension(4),
                    Taps.of("embedding"))
                .add(1, OfdLoss.ofBatchMargins(), Taps.of("layer2.pre"))
                .add(
                    1,
                    OfdLoss.ofMargins(List.of(margin)).withReduction(OfdLoss.Reduction.SUM),
                    Taps.of("layer1.pre"))
                .build()) {
      StepResult result = step.newResult();
      FloatBuffer images = Buffers.random(1, 24);
      LongBuffer rows = Buffers.longs(1, 2);
      step.run(images, rows, rows, result);
      step.run(
          StepInput.of(images, rows).withIndices(rows).withContrast(Buffers.longs(1, 0, 2, 1)),
          result);
      expectFailure(() -> step.run(images, rows, null, result));
      expectFailure(
          () ->
              step.run(
                  StepInput.of(images, rows)
                      .withIndices(rows)
                      .withContrast(Buffers.longs(1, 0, 2, 3)),
                  result));
      step.state().values().forEach(Tensor::close);
    }
    useVariants(student);
    expectFailure(
        () ->
            TrainingStep.builder(student, student)
                .inputShape(3, 2, 2)
                .add(1, FspLoss.consecutive(), Taps.of("stem"))
                .build());
  }

  private static void useVariants(Network student) {
    try (Network teacher = ResNet.cifar(14, 5);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 2, 2)
                .add(
                    1,
                    FspLoss.ofPairs(new FspLoss.Pair(1, 0)).withAdaptChannels(true),
                    new Taps(List.of("stem", "layer2"), List.of("stem", "layer1")))
                .add(1, NstLoss.gaussian().withVariance(1), Taps.of("layer1"))
                .add(
                    1,
                    CrdLoss.forQueue(3).withNegatives(2).withZ(CrdLoss.Z.movingAverage(0.9)),
                    Taps.of("embedding"))
                .add(
                    1,
                    CrdLoss.forSamples(3)
                        .withClasses(1, 2, 2)
                        .withRelaxed(true)
                        .withZ(CrdLoss.Z.fixed(3, 3))
                        .withNegatives(2),
                    Taps.of("embedding"))
                .add(
                    1,
                    OfdLoss.ofTeacherMargins(teacher, "layer1.1.bn2")
                        .withInit(OfdLoss.Init.KAIMING),
                    Taps.of("layer1.pre"))
                .build()) {
      StepResult result = step.newResult();
      step.run(Buffers.random(1, 24), Buffers.longs(1, 2), Buffers.longs(1, 2), result);
      expectFailure(() -> OfdLoss.ofTeacherMargins(teacher, "nothing"));
    }
  }

  private static void useKd() {
    try (Tensor student = torch.randn(2, 5).requires_grad_(true);
        Tensor teacher = torch.randn(2, 5);
        Tensor weight = torch.ones(2);
        Tensor loss = KdLoss.of(4).compute(student, teacher);
        Tensor weighted =
            KdLoss.of(4).withTarget(KdLoss.Target.PROBABILITIES).compute(student, teacher, weight);
        Tensor other = torch.randn(2, 6)) {
      loss.backward();
      weighted.backward();
      expectFailure(() -> KdLoss.of(4).compute(student, other));
      expectFailure(() -> KdLoss.of(4).compute(student, teacher, other));
      useDkd(student, teacher, weight);
    }
  }

  private static void useDkd(Tensor student, Tensor teacher, Tensor weight) {
    DkdLoss dkd = DkdLoss.of(4).withAlpha(0.5).withBeta(2).withStandardise(true);
    try (Tensor labels = Tensor.create(1L, -1L);
        Tensor loss = dkd.compute(student, teacher, labels);
        Tensor weighted = dkd.compute(student, teacher, labels, weight)) {
      loss.backward();
      weighted.backward();
      expectFailure(() -> dkd.compute(student, teacher, weight));
    }
  }

  private static void useMapLosses() {
    try (Tensor student = torch.randn(2, 3, 4, 4).requires_grad_(true);
        Tensor teacher = torch.randn(2, 3, 2, 2)) {
      List<Tensor> students = List.of(student, student);
      List<Tensor> teachers = List.of(teacher, teacher);
      for (FspLoss fsp :
          List.of(
              FspLoss.consecutive(),
              FspLoss.ofPairs(new FspLoss.Pair(1, 0))
                  .withPooling(FspLoss.Pooling.MAX)
                  .withReduction(FspLoss.Reduction.TORCHDISTILL))) {
        backward(fsp.compute(students, teachers));
        expectFailure(() -> fsp.compute(students, List.of()));
      }
      try (Tensor matrix = FspLoss.matrix(student, teacher, FspLoss.Pooling.MAX)) {
        expectFailure(() -> FspLoss.matrix(student, matrix));
      }
      for (NstLoss nst :
          List.of(
              NstLoss.linear(),
              NstLoss.polynomial().withDegree(3).withOffset(1).withTeacherTerm(false),
              NstLoss.gaussian().withDeadChannelNorm(0),
              NstLoss.gaussian().withVariance(1))) {
        backward(nst.compute(students, teachers));
        expectFailure(() -> nst.compute(List.of(), List.of()));
      }
    }
  }

  private static void backward(List<Tensor> losses) {
    for (Tensor loss : losses) {
      loss.backward();
      loss.close();
    }
  }

  private static void useCrd() {
    try (Tensor student = torch.randn(2, 3).requires_grad_(true);
        Tensor teacher = torch.randn(2, 3);
        Tensor memory = torch.randn(5, 3);
        Tensor own = Tensor.create(0L, 4L);
        Tensor classes = Tensor.create(0L, 1L, 1L, 1L, 1L);
        Tensor ofOthers = CrdLoss.classContrast(own, classes, 6, true);
        Tensor contrast = CrdLoss.contrast(own, 5, 6)) {
      double z = CrdLoss.z(student, memory, contrast, 1);
      try (Tensor loss = CrdLoss.compute(student, teacher, memory, memory, contrast, z, z, 1)) {
        loss.backward();
      }
      expectFailure(() -> CrdLoss.compute(student, memory, memory, memory, contrast, z, z, 1));
      expectFailure(() -> CrdLoss.z(student, memory, own, 1));
      CrdLoss.z(student, memory, ofOthers, 1);
      expectFailure(() -> CrdLoss.contrast(own, 4, 6));
      expectFailure(() -> CrdLoss.classContrast(own, own, 6, false));
    }
  }

  private static void useOfd() {
    try (Tensor student = torch.randn(2, 3, 4, 4).requires_grad_(true);
        Tensor teacher = torch.randn(2, 3, 4, 4);
        Tensor margin = OfdLoss.batchMargin(teacher);
        Tensor expected = OfdLoss.expectedMargin(margin, margin);
        Tensor stable = OfdLoss.expectedMargin(margin, margin, true);
        Tensor batchMean = OfdLoss.compute(student, teacher, stable, OfdLoss.Reduction.BATCH_MEAN);
        Tensor mean = OfdLoss.compute(student, teacher, margin);
        Tensor sum = OfdLoss.compute(student, teacher, expected, OfdLoss.Reduction.SUM)) {
      mean.backward();
      sum.backward();
      batchMean.backward();
      expectFailure(() -> OfdLoss.compute(student, margin, margin));
      expectFailure(() -> OfdLoss.batchMargin(margin));
      expectFailure(() -> OfdLoss.expectedMargin(margin, teacher));
    }
  }

  private static void expectFailure(Runnable call) {
    try {
      call.run();
    } catch (RetortException expected) {
      return;
    }
    throw new AssertionError("no failure");
  }
}
