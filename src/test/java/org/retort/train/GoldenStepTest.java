package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.losses.CrdLoss;
import org.retort.losses.DistillationLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.Bits;
import org.retort.testing.Buffers;
import org.retort.testing.GoldenCases;
import org.retort.testing.Precision;

/** Whole training steps against the published code's. */
final class GoldenStepTest {
  private static final String FINAL = "final.";

  /** The terms, each there if its weight is above 0. */
  private static final Map<String, Part> PARTS =
      new TreeMap<>(
          Map.of(
              "kd",
                  new Part(
                      "alpha",
                      Taps.of(),
                      golden -> KdLoss.of(golden.get("temperature").item_double())),
              "fsp", new Part("beta_fsp", Taps.of("0", "1", "2"), golden -> FspLoss.consecutive()),
              "nst", new Part("beta_nst", Taps.of("1", "2"), golden -> NstLoss.polynomial()),
              "crd",
                  new Part(
                      "beta_crd",
                      Taps.of("6"),
                      golden -> crdLoss(golden.get("crd_student_memory").shape())),
              "ofd",
                  new Part(
                      "beta_ofd", Taps.of("3", "4", "5"), golden -> OfdLoss.ofBatchMargins())));

  /** What a term's tensors are called in the cases, and by the term. */
  private static final Map<String, String> NAMES =
      Map.of(
          "crd_(student|teacher)_(weight|bias)", "$1_embedding.$2",
          "crd_(student|teacher)_memory", "$1_memory.embeddings",
          "ofd_conv_weight(\\d+)", "connectors.$1.conv.weight",
          "ofd_running_(mean|var)(\\d+)", "connectors.$2.norm.running_$1");

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
      run.checkFinalState();
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
        assertThat(SmallStep.numbers(buffers.result))
            .as("step %s", i)
            .isEqualTo(SmallStep.numbers(tensors.result));
      }
      assertThat(Bits.of(buffers.step.state())).isEqualTo(Bits.of(tensors.step.state()));
    }
  }

  private static CrdLoss crdLoss(long... memory) {
    return CrdLoss.forSamples(memory[0])
        .withDimension(memory[1])
        .withTemperature(0.07)
        .withMomentum(0.5);
  }

  private record Part(
      String weight, Taps taps, Function<Map<String, Tensor>, DistillationLoss> loss) {
    double weightIn(Map<String, Tensor> golden) {
      return golden.containsKey(weight) ? golden.get(weight).item_double() : 0;
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
      TrainingStepBuilder builder =
          TrainingStep.builder(student, teacher)
              .inputShape(images[1], images[2], images[3])
              .crossEntropy(number("gamma"))
              .optimizer(
                  Sgd.of(number("lr"))
                      .withMomentum(number("momentum"))
                      .withWeightDecay(number("weight_decay")));
      PARTS.forEach(
          (term, part) -> {
            if (part.weightIn(golden) > 0) {
              builder.add(part.weightIn(golden), part.loss().apply(golden), part.taps());
              terms.add(term);
            }
          });
      step = builder.build();
      result = step.newResult();
      setInitialState(step.state());
    }

    private void setInitialState(Map<String, Tensor> state) {
      golden.forEach(
          (key, value) ->
              nameInTerms(key)
                  .ifPresent(
                      name -> {
                        assertThat(state).containsKey(name);
                        assertThat(state.get(name).shape()).as(name).isEqualTo(value.shape());
                        state.get(name).copy_(value);
                      }));
    }

    /** Returns what the step calls a tensor of a term, or nothing if the key names another. */
    private Optional<String> nameInTerms(String key) {
      return NAMES.entrySet().stream()
          .filter(name -> key.matches(name.getKey()))
          .map(name -> key.replaceFirst(name.getKey(), name.getValue()))
          .map(name -> "terms." + terms.indexOf(key.split("_")[0]) + "." + name)
          .findFirst();
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
          StepInput.of(precision.of(golden.get("input" + i)), golden.get("label" + i))
              .withIndices(golden.get("index" + i))
              .withContrast(golden.get("contrast" + i)),
          result);
    }

    void stepOnBuffers(int i) {
      step.run(
          StepInput.of(Buffers.floats(precision.of(golden.get("input" + i))), longs("label" + i))
              .withIndices(longs("index" + i))
              .withContrast(longs("contrast" + i)),
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

    void checkFinalState() {
      Map<String, Tensor> ofStudent = student.stateDict();
      Map<String, Tensor> ofStep = step.state();
      golden.forEach(
          (key, expected) -> {
            if (key.startsWith(FINAL)) {
              String name = key.substring(FINAL.length());
              Optional<String> nameInTerms = nameInTerms(name);
              checkState(ofStep, nameInTerms.orElse("student." + name), expected);
              if (nameInTerms.isEmpty()) {
                checkState(ofStudent, name, expected);
              }
            }
          });
      assertThat(ofStudent.keySet()).allMatch(name -> golden.containsKey(FINAL + name));
    }

    private void checkState(Map<String, Tensor> state, String name, Tensor expected) {
      assertThat(state).containsKey(name);
      precision.assertClose(name, state.get(name), expected);
    }

    @Override
    public void close() {
      step.close();
      teacher.close();
      student.close();
    }
  }
}
