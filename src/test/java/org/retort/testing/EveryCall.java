package org.retort.testing;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** Makes every call from Java into native code once, and each kind of failure. */
public final class EveryCall {
  private EveryCall() {}

  /** Leaves its files in the current folder; prints {@code done} at the end. */
  public static void main(String[] args) {
    Retort.setThreads(1);
    Retort.manualSeed(1);
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
      expectFailure(() -> teacher.loadStateDict(file));
      expectFailure(() -> teacher.tapShape("y"));
      expectFailure(() -> teacher.probe(3, 4, 4));
    }
    useLoss();
    System.out.println("done");
  }

  private static TrainingStep step(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 2, 2)
        .add(1, KdLoss.withTemperature(4))
        .optimizer(Sgd.learningRate(0.1).momentum(0.9).milestones(0.1, 1))
        .build();
  }

  private static void useNetwork(Network network, Path file) {
    System.out.println(network.taps() + " " + network.parameterCount());
    network.probe(3, 2, 2);
    network.inputShape();
    network.tapShape(network.taps().get(0));
    network.saveStateDict(file);
    network.loadStateDict(file);
    network.stateDict().values().forEach(Tensor::close);
    FloatBuffer images = Buffers.random(1, 24);
    try (Tensor tensor = torch.zeros(2, 3, 2, 2);
        Tensor labels = Tensor.create(1L, 2L)) {
      network.predict(tensor).close();
      network.predict(images).close();
      network.accuracy(tensor, labels);
      network.accuracy(images, Buffers.longs(1, 2));
      network.convert(ScalarType.Float);
      expectFailure(() -> network.accuracy(images, Buffers.longs(1, 9)));
      expectFailure(() -> network.predict(labels));
    }
  }

  private static void useStep(TrainingStep step) {
    StepResult result = step.newResult();
    FloatBuffer images = Buffers.random(1, 24);
    LongBuffer rows = Buffers.longs(1, 2);
    try (Tensor tensor = torch.zeros(2, 3, 2, 2);
        Tensor labels = Tensor.create(1L, 2L)) {
      step.run(images, rows, null, result);
      step.run(images, rows, rows, rows, result);
      step.run(tensor, labels, null, result);
      step.run(tensor, labels, labels, null, result);
      expectFailure(() -> step.run(images, Buffers.longs(1, 9), null, result));
      expectFailure(() -> step.run(tensor, tensor, null, result));
    }
    System.out.println(step.steps() + " " + step.learningRate() + " " + result.total());
    step.state().values().forEach(Tensor::close);
  }

  private static void useLoss() {
    try (Tensor student = torch.randn(2, 5).requires_grad_(true);
        Tensor teacher = torch.randn(2, 5);
        Tensor loss = KdLoss.compute(student, teacher, 4);
        Tensor other = torch.randn(2, 6)) {
      loss.backward();
      expectFailure(() -> KdLoss.compute(student, other, 4).close());
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
