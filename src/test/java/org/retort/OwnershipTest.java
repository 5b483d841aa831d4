package org.retort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.retort.testing.Failures.assertUnusable;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.internal.NativeCriteria;
import org.retort.losses.CrdLoss;
import org.retort.losses.DistillationLoss;
import org.retort.losses.DkdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.models.Network;
import org.retort.models.Preprocessing;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Buffers;
import org.retort.testing.Program;
import org.retort.train.Adam;
import org.retort.train.CrossEntropy;
import org.retort.train.ParameterGroup;
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
import org.retort.train.Term;
import org.retort.train.TrainingStep;

final class OwnershipTest {
  private final FloatBuffer images = Buffers.random(1, 4 * 3 * 8 * 8);
  private final LongBuffer labels = Buffers.longs(0, 1, 2, -1);
  private final LongBuffer indices = Buffers.longs(8, 0, 3, 1);
  @TempDir private Path folder;

  @Test
  void close_twice_isHarmless() {
    Network student = ResNet.cifar(8, 3);
    Network teacher = ResNet.cifar(8, 3);
    TrainingStep step = step(student, teacher);
    for (AutoCloseable object : List.of(step, teacher, student)) {
      assertThatCode(object::close).doesNotThrowAnyException();
      assertThatCode(object::close).doesNotThrowAnyException();
    }
  }

  @Test
  void resNet_closed_refusesEverything() throws IOException {
    assertClosedRefuses("ResNet", ResNet.cifar(8, 3));
  }

  @Test
  void torchScriptNetwork_closed_refusesEverything() throws IOException {
    Path file =
        Program.linear(3)
            .save(
                folder.resolve("linear.ts"), "return torch.linear(x.flatten(1), self.weight), [x]");
    assertClosedRefuses("TorchScriptNetwork", TorchScriptNetwork.load(file));
  }

  private void assertClosedRefuses(String type, Network network) throws IOException {
    network.close();
    Path file = Files.createFile(folder.resolve("there.pt"));
    try (Tensor input = torch.zeros(4, 3, 8, 8);
        Tensor classes = torch.zeros(4).to(ScalarType.Long)) {
      assertRefuse(
          type,
          network::taps,
          network::inputShape,
          network::classes,
          network::backbone,
          network::publish,
          network::parameterCount,
          network::stateDict,
          () -> network.tapShape("stem"),
          () -> network.normBefore("layer1.pre"),
          () -> network.probe(3, 8, 8),
          () -> network.predict(input),
          () -> network.predict(images),
          () -> network.predict(images, Buffers.floats(4 * 3)),
          () -> network.accuracy(input, classes),
          () -> network.accuracy(images, labels),
          () -> network.convert(ScalarType.Double),
          () -> network.saveStateDict(folder.resolve("state.pt")),
          () -> network.saveTorchScript(folder.resolve("network.ts")),
          () -> network.loadStateDict(file));
    }
    assertThat(folder.resolve("state.pt")).doesNotExist();
  }

  @Test
  void storedOutputs_closed_refuseEverything() {
    Path file = folder.resolve("outputs");
    StoredOutputsWriter writer = StoredOutputs.writer(file, StoredOutputsFormat.of(9, 3));
    writer.finish();
    writer.close();
    StoredOutputs outputs = StoredOutputs.open(file);
    outputs.close();
    try (Tensor input = torch.zeros(4, 3, 8, 8);
        Tensor rows = torch.zeros(4).to(ScalarType.Long);
        Network network = ResNet.cifar(8, 3)) {
      assertRefuse(
          "StoredOutputsWriter",
          writer::rows,
          writer::finish,
          () -> writer.write(rows, input),
          () -> writer.write(indices, Buffers.floats(4 * 3)),
          () -> writer.write(new long[4], new float[4 * 3]),
          () -> writer.write(rows, network, input),
          () -> writer.write(indices, network, images));
      assertRefuse(
          "StoredOutputs",
          outputs::rows,
          outputs::missing,
          () -> outputs.logits(0),
          () -> TrainingStep.builder(network, outputs).inputShape(3, 8, 8).build());
    }
  }

  @Test
  void trainingStep_closed_refusesEverything() {
    try (Network student = ResNet.cifar(8, 3);
        Network teacher = ResNet.cifar(8, 3);
        Tensor input = torch.zeros(4, 3, 8, 8);
        Tensor classes = torch.zeros(4).to(ScalarType.Long)) {
      TrainingStep step = step(student, teacher);
      StepResult result = step.newResult();
      step.close();
      assertRefuse(
          "TrainingStep",
          () -> step.run(images, labels, indices, result),
          () ->
              step.run(
                  StepInput.of(images, labels).withIndices(indices).withContrast(labels), result),
          () -> step.run(input, classes, null, result),
          () -> step.run(StepInput.of(input, classes), result),
          () -> step.run(StepInput.of(ByteBuffer.allocateDirect(4 * 192), labels), result),
          () -> step.run(StepInput.of(new float[192], new long[1]), result),
          () -> step.run(StepInput.of(new byte[192], new long[1]), result),
          () -> step.save(folder.resolve("step")),
          () -> step.checkpoint(""),
          () -> step.load(folder),
          step::newResult,
          step::publish,
          step::steps,
          step::stage,
          step::learningRate,
          step::teacherTaps,
          step::state);
    }
    assertThat(folder.resolve("step")).doesNotExist();
  }

  private static void assertRefuse(String type, ThrowingCallable... calls) {
    for (ThrowingCallable call : calls) {
      assertUnusable(call, type + ": object must be open (got a closed one)");
    }
  }

  @Test
  void close_networksBeforeTheirStep_keepsItUsable() {
    Network student = ResNet.cifar(8, 3);
    Network teacher = ResNet.cifar(8, 3);
    try (TrainingStep step = step(student, teacher)) {
      student.close();
      teacher.close();
      StepResult result = step.newResult();
      step.run(images, labels, indices, result);
      assertThat(result.total()).isPositive();
    }
  }

  @Test
  void close_stepBeforeItsNetworks_keepsThemUsable() {
    try (Network student = ResNet.cifar(8, 3);
        Network teacher = ResNet.cifar(8, 3)) {
      step(student, teacher).close();
      try (Tensor logits = student.predict(images)) {
        assertThat(logits.shape()).containsExactly(4, 3);
      }
      step(student, teacher).close();
    }
  }

  @Test
  void state_everythingClosed_staysReadable() {
    Map<String, Tensor> state;
    try (Network student = ResNet.cifar(8, 3);
        TrainingStep step = step(student, teacher())) {
      state = step.state();
    }
    Tensor weight = state.get("student.fc.weight");
    assertThat(weight.abs().max().item_double()).isPositive();
    state.values().forEach(Tensor::close);
  }

  @Test
  void pointerScope_aroundUse_freesNothingTooEarlyOrTwice() {
    try (Network student = ResNet.cifar(8, 3);
        Network teacher = ResNet.cifar(8, 3)) {
      try (PointerScope scope = new PointerScope();
          TrainingStep step = step(student, teacher)) {
        step.run(images, labels, indices, step.newResult());
        scope.detach(student.predict(images)).close();
        assertThat(step.state()).isNotEmpty();
      }
      try (Tensor logits = student.predict(images)) {
        assertThat(logits.shape()).containsExactly(4, 3);
      }
    }
  }

  @Test
  void pointerScope_closedBeforeTheObjects_leavesThemOpen() {
    Network student;
    TrainingStep step;
    try (PointerScope scope = new PointerScope()) {
      assertThat(PointerScope.getInnerScope()).isSameAs(scope);
      student = ResNet.cifar(8, 3);
      step = step(student, teacher());
    }
    step.run(images, labels, indices, step.newResult());
    assertThat(student.parameterCount()).isPositive();
    step.close();
    student.close();
    assertRefuse("TrainingStep", step::steps);
    assertRefuse("ResNet", student::taps);
  }

  @Test
  void objects_neverClosed_areFreedWithTheGarbage() throws InterruptedException {
    long before = pointersInUse();
    for (int i = 0; i < 20; i++) {
      Network student = ResNet.cifar(8, 3);
      TrainingStep step = step(student, teacher());
      step.run(images, labels, indices, step.newResult());
      assertThat(student.predict(images).defined()).isTrue();
      assertThat(step.state()).isNotEmpty();
    }
    assertThat(Pointer.totalCount()).isGreaterThan(before);
    assertThat(pointersInUse()).isLessThanOrEqualTo(before);
  }

  @Test
  void losses_computed_leaveNothingButTheirResults() throws InterruptedException {
    try (Tensor map = torch.randn(2, 3, 4, 4);
        Tensor rows = torch.randn(2, 3);
        Tensor margin = torch.zeros(3);
        Tensor own = Tensor.create(0L, 1L)) {
      List<Tensor> maps = List.of(map, map, map);
      assertLeaves(2, () -> FspLoss.consecutive().compute(maps, maps));
      assertLeaves(3, () -> NstLoss.gaussian().withVariance(1).compute(maps, maps));
      assertLeaves(1, () -> List.of(KdLoss.of(4).compute(rows, rows)));
      assertLeaves(1, () -> List.of(KdLoss.of(4).compute(rows, rows, own)));
      assertLeaves(1, () -> List.of(DkdLoss.of(4).compute(rows, rows, own)));
      assertLeaves(1, () -> List.of(DkdLoss.of(4).compute(rows, rows, own, own)));
      assertLeaves(1, () -> List.of(FspLoss.matrix(map, map)));
      assertLeaves(1, () -> List.of(CrdLoss.contrast(own, 2, 4)));
      assertLeaves(1, () -> List.of(CrdLoss.classContrast(own, own, 4, true)));
      assertLeaves(1, () -> List.of(OfdLoss.compute(map, map, margin)));
      assertLeaves(1, () -> List.of(OfdLoss.batchMargin(map)));
      assertLeaves(1, () -> List.of(OfdLoss.expectedMargin(margin, margin)));
      assertLeaves(
          0,
          () -> {
            for (DistillationLoss loss :
                List.of(
                    OfdLoss.ofMargins(maps.stream().map(unused -> margin).toList()),
                    FspLoss.ofPairs(new FspLoss.Pair(0, 2)),
                    NstLoss.gaussian().withVariance(1),
                    CrdLoss.forSamples(3).withClasses(1, 1, 2))) {
              NativeCriteria.of(loss).close();
            }
            return List.of();
          });
    }
  }

  @Test
  void step_usedInEveryWay_leavesNothing() throws InterruptedException {
    try (Network student = ResNet.cifar(8, 3);
        Network teacher = teacher();
        TrainingStep step = step(student, teacher);
        Tensor input = torch.zeros(4, 3, 8, 8);
        Tensor classes = Tensor.create(0L, 1L, 2L, 0L);
        Tensor rows = Tensor.create(8L, 0L, 3L, 1L)) {
      StepResult result = step.newResult();
      FloatBuffer logits = Buffers.floats(4 * 3);
      assertLeaves(
          0,
          () -> {
            step.run(StepInput.of(input, classes).withIndices(rows), result);
            step.save(folder.resolve("step"));
            step.load(folder.resolve("step"));
            step.publish();
            student.predict(images, logits);
            step.teacherTaps();
            return List.of();
          });
    }
  }

  @Test
  void builder_ofEveryOption_leavesNothing() throws InterruptedException {
    ParameterGroup group = ParameterGroup.of("student.fc").withLearningRateFactor(2);
    Schedule schedule = Schedule.milestones(0.5, 1, 2).withWarmup(1);
    try (Network student = ResNet.cifar(8, 3);
        Network teacher = teacher()) {
      assertLeaves(
          0,
          () -> {
            Stage first =
                Stage.of(Sgd.of(1).withSchedule(schedule).withGroups(group))
                    .withCrossEntropy(
                        CrossEntropy.of(1).withClassWeights(1, 2, 3).withSchedule(schedule))
                    .add(
                        Term.of(1, NstLoss.linear())
                            .withTaps(Taps.of("layer2"))
                            .withSchedule(schedule))
                    .withTrainOnly("fc")
                    .withSteps(1);
            Stage second = Stage.of(Adam.of(1).withSchedule(schedule).withGroups(group));
            TrainingStep.builder(student, Teacher.of(teacher).withCache(9))
                .inputShape(3, 8, 8)
                .stages(first, second)
                .preprocessing(
                    Preprocessing.of().withNormalization(new double[] {0}, new double[] {1}))
                .build()
                .close();
            return List.of();
          });
    }
  }

  @Test
  void margins_ofATeacher_leaveNothingButThemselves() throws InterruptedException {
    try (Network teacher = teacher()) {
      List<String> norms = List.of("layer1.0.bn2", "layer3.0.bn2");
      assertLeaves(2, () -> OfdLoss.expectedMargins(teacher, norms, true));
      assertLeaves(
          0,
          () -> {
            OfdLoss.ofTeacherMargins(teacher, "layer1.0.bn2");
            return List.of();
          });
    }
  }

  private static void assertLeaves(int tensors, Supplier<List<Tensor>> call)
      throws InterruptedException {
    long before = pointersInUse();
    List<Tensor> results = call.get();
    assertThat(results).hasSize(tensors);
    assertThat(Pointer.totalCount()).isEqualTo(before + tensors);
    results.forEach(Tensor::close);
    assertThat(Pointer.totalCount()).isEqualTo(before);
  }

  /** Collects garbage until nothing more comes of it. */
  private static long pointersInUse() throws InterruptedException {
    long pointers = Pointer.totalCount();
    for (int unchanged = 0; unchanged < 5; unchanged++) {
      System.gc();
      TimeUnit.MILLISECONDS.sleep(20);
      if (Pointer.totalCount() < pointers) {
        pointers = Pointer.totalCount();
        unchanged = 0;
      }
    }
    return pointers;
  }

  private static Network teacher() {
    return ResNet.cifar(8, 3);
  }

  private static TrainingStep step(Network student, Network teacher) {
    try (Tensor margin = torch.zeros(16)) {
      return TrainingStep.builder(student, teacher)
          .inputShape(3, 8, 8)
          .add(1, KdLoss.of(4))
          .add(1, FspLoss.consecutive(), Taps.of("layer1", "layer2"))
          .add(1, NstLoss.polynomial(), Taps.of("layer2"))
          .add(1, CrdLoss.forSamples(9).withNegatives(3).withDimension(4), Taps.of("embedding"))
          .add(1, OfdLoss.ofMargins(List.of(margin)), Taps.of("layer1.pre"))
          .build();
    }
  }
}
