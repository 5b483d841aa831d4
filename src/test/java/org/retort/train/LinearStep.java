package org.retort.train;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Buffers;
import org.retort.testing.Program;

/**
 * A linear student without BatchNorm, a linear teacher that counts how often it runs, and a batch
 * of four images; the same ones every time. The tap {@code 0} is the image, in the teacher doubled.
 */
final class LinearStep implements AutoCloseable {
  static final int BATCH = 4;
  static final int CLASSES = 3;
  static final int IMAGE = (int) Program.INPUTS;
  static final String WEIGHT = "student.weight";
  static final String BIAS = "student.bias";

  final FloatBuffer images = Buffers.random(1, BATCH * IMAGE);
  final LongBuffer labels = Buffers.longs(0, 2, 1, 2);
  final LongBuffer indices = Buffers.longs(3, 0, 5, 1);
  final Network student;
  final Network teacher;
  final TrainingStep step;
  final StepResult result;

  /** Builds a step of SGD at a rate of 1, and of what {@code options} add or change. */
  LinearStep(Path folder, UnaryOperator<TrainingStepBuilder> options) {
    this(folder, UnaryOperator.identity(), options);
  }

  /** Builds the same with options of the teacher. */
  LinearStep(
      Path folder, UnaryOperator<Teacher> ofTeacher, UnaryOperator<TrainingStepBuilder> options) {
    student =
        TorchScriptNetwork.load(
            Program.linear(CLASSES)
                .parameter("bias", torch.ones(CLASSES))
                .save(
                    folder.resolve("student.ts"),
                    "return torch.linear(x.flatten(1), self.weight, self.bias), [x]"));
    teacher =
        TorchScriptNetwork.load(
            Program.linear(CLASSES)
                .buffer("runs", torch.zeros(1))
                .save(
                    folder.resolve("teacher.ts"),
                    "self.runs.add_(1.0)",
                    "return torch.linear(x.flatten(1), self.weight) * 2.0, [x * 2.0]"));
    TrainingStepBuilder plain =
        TrainingStep.builder(student, ofTeacher.apply(Teacher.of(teacher)))
            .inputShape(3, 2, 2)
            .optimizer(Sgd.of(1));
    step = options.apply(plain).build();
    result = step.newResult();
  }

  /** Builds a step of cross-entropy alone with an optimizer. */
  static LinearStep with(Path folder, Optimizer optimizer) {
    return new LinearStep(folder, builder -> builder.optimizer(optimizer));
  }

  void run() {
    step.run(images, labels, indices, result);
  }

  /** Returns what some steps change a parameter by. */
  double[] change(int steps, String parameter) {
    double[] before = values(parameter);
    for (int i = 0; i < steps; i++) {
      run();
    }
    double[] after = values(parameter);
    return IntStream.range(0, before.length).mapToDouble(i -> after[i] - before[i]).toArray();
  }

  /** Returns the values of a tensor of the step's state. */
  double[] values(String name) {
    Map<String, Tensor> state = step.state();
    FloatBuffer values = Buffers.floats(state.get(name));
    state.values().forEach(Tensor::close);
    return IntStream.range(0, values.remaining()).mapToDouble(values::get).toArray();
  }

  /** Returns what the last step computed. */
  double[] numbers() {
    return SmallStep.numbers(result);
  }

  /** Returns how often the teacher has run. */
  int teacherRuns() {
    Map<String, Tensor> state = teacher.stateDict();
    int runs = (int) state.get("runs").item_double();
    state.values().forEach(Tensor::close);
    return runs;
  }

  @Override
  public void close() {
    step.close();
    teacher.close();
    student.close();
  }
}
