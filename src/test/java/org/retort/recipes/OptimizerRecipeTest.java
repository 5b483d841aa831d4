package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;

final class OptimizerRecipeTest {
  private static final int EPOCHS = 5;
  private static final int STEPS = 10;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{name: constant} | 1 1 1 1 1 1 1 1 1 1",
        "{name: milestones, at: [0.5, 4], factor: 0.1} | 1 1 1 1 1 .1 .1 .1 .01 .01",
        "{name: milestones, at: [1, 4], factor: 0.1} | 1 1 .1 .1 .1 .1 .1 .1 .01 .01",
        "{name: step, every: 2, factor: 0.5} | 1 1 1 1 .5 .5 .5 .5 .25 .25",
        "{name: cosine} | 1 .97553 .90451 .79389 .65451 .5 .34549 .20611 .09549 .02447",
        "{name: constant, warm_up: 2} | 0 .25 .5 .75 1 1 1 1 1 1",
        "{name: constant, warm_up: 0.4, warm_up_from: 0.2} | .2 .4 .6 .8 1 1 1 1 1 1"
      })
  void read_schedule_givesTheLearningRateOfEachStep(String schedule, String rates) {
    double[] expected =
        Arrays.stream(rates.split(" ", -1)).mapToDouble(Double::parseDouble).toArray();
    double[] actual = rates("{name: sgd, learning_rate: 1e-3, schedule: " + schedule + "}", STEPS);
    for (int i = 0; i < expected.length; i++) {
      assertThat(1000 * actual[i]).as("step %d", i).isCloseTo(expected[i], within(1e-4));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{name: sgd, learning_rate: 1, momentum: 0.9, nesterov: true, weight_decay: 1e-4,"
            + " decay_norms_and_biases: false}",
        "{name: adam, learning_rate: 1, beta1: 0.8, beta2: 0.9, epsilon: 1e-6, weight_decay: 0.1}",
        "{name: adam, learning_rate: 1, weight_decay: 0.1, decoupled: true}"
      })
  void read_allOptions_trains(String yaml) {
    assertThat(rates(yaml, STEPS)).containsOnly(1);
  }

  @Test
  void read_noFlag_decaysAllParameters() {
    assertThat(((Sgd) read("{name: sgd, learning_rate: 1}").optimizer(1)).decayNormsAndBiases())
        .isTrue();
  }

  @Test
  void schedule_veryShortStage_isNotAllWarmUp() {
    String yaml =
        "{name: sgd, learning_rate: 1,"
            + " schedule: {name: milestones, at: [0.1, 0.2], factor: 0.1, warm_up: 0.1}}";
    assertThat(rates(yaml, 1)).containsExactly(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{name: adam, learning_rate: 1, beta1: 0.8} | beta2 must be given (got none)",
        "{name: adam, learning_rate: 1, beta1: 1, beta2: 0.9} | beta1 must be at least 0 and below"
            + " 1 (got 1.0 and 0.9)",
        "{name: adam, learning_rate: 1, epsilon: 0} | epsilon must be positive and finite (got"
            + " 0.0)",
        "{name: sgd, learning_rate: 1, weight_decay: -1} | weight_decay must be at least 0 and"
            + " finite (got -1.0)",
        "{name: sgd} | learning_rate must be given (got none)",
        "{name: sgd, learning_rate: 1, momentum: 0, nesterov: true} | nesterov must be used with a"
            + " momentum (got none)",
        "{name: sgd, learning_rate: 1, schedule: {name: milestones, at: [0], factor: 1}} | at must"
            + " be above 0 and below the 5 epochs (got 0.0)",
        "{name: sgd, learning_rate: 1, schedule: {name: milestones, at: [5], factor: 1}} | at must"
            + " be above 0 and below the 5 epochs (got 5.0)",
        "{name: sgd, learning_rate: 1, schedule: {name: milestones, at: [2, 2], factor: 1}} | at"
            + " must be ascending (got [2.0, 2.0])",
        "{name: sgd, learning_rate: 1, schedule: {name: constant, zzz: 1}} | key must be one of"
            + " name, warm_up_from, warm_up (got zzz)",
        "{name: sgd, learning_rate: 1, schedule: {name: step, every: 9, factor: 1}} | every must be"
            + " above 0 and below the 5 epochs (got 9.0)",
        "{name: sgd, learning_rate: 1, schedule: {name: cosine, final_factor: -1}} | final_factor"
            + " must be at least 0 (got -1.0)"
      })
  void read_wrongOption_isRefusedWithItsLine(String yaml, String message) {
    assertThatThrownBy(() -> read(yaml)).hasMessage("a.yaml:1: " + message);
  }

  private static double[] rates(String yaml, int steps) {
    double[] rates = new double[steps];
    try (Network student = Mlp.of(4, 2);
        TrainingStep step =
            TrainingStep.builder(student)
                .inputShape(4)
                .optimizer(read(yaml).optimizer(steps))
                .build()) {
      StepResult result = step.newResult();
      for (int i = 0; i < steps; i++) {
        step.run(StepInput.of(new float[] {1, 2, 3, 4}, new long[] {1}), result);
        rates[i] = result.learningRate();
      }
    }
    return rates;
  }

  private static OptimizerRecipe read(String yaml) {
    return OptimizerRecipe.read(
        new Fields(
            "a.yaml",
            "optimizer",
            new Compose(LoadSettings.builder().build()).composeString(yaml).orElseThrow()),
        EPOCHS);
  }
}
