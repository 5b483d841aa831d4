package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.GoldenCases;
import org.retort.testing.Precision;

/** Whole training steps against the published code's. */
final class GoldenStepTest {
  private static final String FINAL = "final.";

  @AutoClose private final PointerScope scope = new PointerScope();

  static List<Arguments> cases() throws IOException {
    return GoldenCases.inEachPrecision("step_");
  }

  static List<String> names() throws IOException {
    return GoldenCases.names("step_");
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void run_golden_hasItsValuesAndFinalState(String name, Precision precision) throws IOException {
    GoldenCases.assumeBuilt(name);
    try (Run run = new Run(name, precision)) {
      for (int i = 0; i < run.steps(); i++) {
        run.stepOnTensors(i);
        run.checkResult(i);
      }
      assertThat(run.step.steps()).isEqualTo(run.steps());
      run.checkFinalState(run.student.stateDict(), "");
      run.checkFinalState(run.step.state(), "student.");
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("names")
  void run_buffers_equalsTensorsBitForBit(String name) throws IOException {
    GoldenCases.assumeBuilt(name);
    try (Run tensors = new Run(name, Precision.FLOAT32);
        Run buffers = new Run(name, Precision.FLOAT32)) {
      for (int i = 0; i < tensors.steps(); i++) {
        tensors.stepOnTensors(i);
        buffers.stepOnBuffers(i);
        assertThat(buffers.result.values()).as("step %s", i).isEqualTo(tensors.result.values());
      }
      assertThat(Bits.of(buffers.step.state())).isEqualTo(Bits.of(tensors.step.state()));
    }
  }

  /** A training step as a golden case describes it. */
  private static final class Run implements AutoCloseable {
    private final Map<String, Tensor> golden;
    private final Precision precision;
    private final Network student;
    private final Network teacher;
    private final TrainingStep step;
    private final StepResult result;
    private final List<String> terms = new ArrayList<>();

    Run(String name, Precision precision) throws IOException {
      golden = GoldenCases.read(name);
      this.precision = precision;
      student = load(name.replaceFirst("step_", "step_student_"));
      teacher = load("step_teacher");
      long[] images = golden.get("input0").shape();
      TrainingStep.Builder builder =
          TrainingStep.builder(student, teacher)
              .inputShape(images[1], images[2], images[3])
              .crossEntropy(number("gamma"))
              .optimizer(
                  Sgd.learningRate(number("lr"))
                      .momentum(number("momentum"))
                      .weightDecay(number("weight_decay")));
      if (number("alpha") > 0) {
        builder.add(number("alpha"), KdLoss.withTemperature(number("temperature")));
        terms.add("kd");
      }
      step = builder.build();
      result = step.newResult();
    }

    private Network load(String name) {
      Network network = TorchScriptNetwork.load(GoldenCases.folder().resolve(name + ".ts"));
      network.convert(precision.dtype());
      return network;
    }

    private double number(String key) {
      return golden.get(key).item_double();
    }

    long steps() {
      return golden.keySet().stream().filter(key -> key.matches("input\\d+")).count();
    }

    void stepOnTensors(int i) {
      step.run(
          precision.of(golden.get("input" + i)),
          golden.get("label" + i),
          golden.get("index" + i),
          golden.get("contrast" + i),
          result);
    }

    void stepOnBuffers(int i) {
      step.run(
          Buffers.floats(precision.of(golden.get("input" + i))),
          longs("label" + i),
          longs("index" + i),
          longs("contrast" + i),
          result);
    }

    private LongBuffer longs(String key) {
      return Buffers.longs(golden.get(key));
    }

    void checkResult(int i) {
      precision.assertClose("total " + i, result.total(), golden.get("total" + i));
      precision.assertClose("ce " + i, result.crossEntropy(), golden.get("ce" + i));
      for (String term : terms) {
        double value = result.term(terms.indexOf(term));
        precision.assertClose(term + " " + i, value, golden.get(term + i));
      }
      assertThat(result.terms()).isEqualTo(terms.size());
      assertThat(result.correct()).isEqualTo((long) number("correct" + i));
      assertThat(result.labeled()).isEqualTo(labeled(golden.get("label" + i)));
    }

    private static long labeled(Tensor labels) {
      return labels.ge(new Scalar(0)).sum().item_long();
    }

    void checkFinalState(Map<String, Tensor> state, String prefix) {
      golden.forEach(
          (key, expected) -> {
            if (key.startsWith(FINAL)) {
              String name = prefix + key.substring(FINAL.length());
              assertThat(state).containsKey(name);
              precision.assertClose(name, state.get(name), expected);
            }
          });
      assertThat(student.stateDict().keySet()).allMatch(name -> golden.containsKey(FINAL + name));
    }

    @Override
    public void close() {
      step.close();
      teacher.close();
      student.close();
    }
  }
}
