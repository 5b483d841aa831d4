package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.nio.file.Path;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ParameterGroupTest {
  private static final Sgd SGD = Sgd.of(0.1).withWeightDecay(0.5);
  private static final ParameterGroup BIAS = ParameterGroup.of(LinearStep.BIAS);

  @TempDir private Path folder;

  @Test
  void learningRateFactor_changesItsParametersOnly() {
    Sgd halved = SGD.withGroups(BIAS.withLearningRateFactor(0.5));
    double[] expected =
        DoubleStream.of(change(SGD, LinearStep.BIAS)).map(change -> change / 2).toArray();
    assertThat(change(halved, LinearStep.BIAS)).containsExactly(expected, within(1e-6));
    assertThat(change(halved, LinearStep.WEIGHT)).isEqualTo(change(SGD, LinearStep.WEIGHT));
  }

  @Test
  void weightDecayFactor_zero_keepsItsParameters() {
    Sgd kept = SGD.withGroups(BIAS.withWeightDecayFactor(0));
    assertThat(change(kept, LinearStep.BIAS)).isEqualTo(change(Sgd.of(0.1), LinearStep.BIAS));
    assertThat(change(kept, LinearStep.WEIGHT)).isEqualTo(change(SGD, LinearStep.WEIGHT));
  }

  @Test
  void group_several_theFirstThatNamesAParameterCounts() {
    ParameterGroup all = ParameterGroup.of("student").withLearningRateFactor(0);
    Sgd frozen = SGD.withGroups(BIAS, all, BIAS.withLearningRateFactor(3));
    assertThat(change(frozen, LinearStep.BIAS)).isEqualTo(change(SGD, LinearStep.BIAS));
    assertThat(change(frozen, LinearStep.WEIGHT)).containsOnly(0);
  }

  private double[] change(Sgd sgd, String parameter) {
    try (LinearStep linear = LinearStep.with(folder, sgd)) {
      return linear.change(1, parameter);
    }
  }

  @Test
  void of_nothingOfTheStudent_isRefused() {
    assertRefused(
        () -> LinearStep.with(folder, SGD.withGroups(ParameterGroup.of("student.fc"))),
        "Optimizer: name of a group must be that of a trained parameter or module (got"
            + " student.fc)");
  }

  @Test
  void of_noName_isRejected() {
    assertIllegal(
        () -> ParameterGroup.of(), "ParameterGroup: names must be at least one (got none)");
    assertIllegal(
        () -> ParameterGroup.of("student", null),
        "ParameterGroup: names[1] must be given (got null)");
    assertIllegal(
        () -> ParameterGroup.of((String[]) null), "ParameterGroup: names must be given (got null)");
  }

  @Test
  void group_null_isRejected() {
    assertIllegal(
        () -> SGD.withGroups((ParameterGroup[]) null), "Sgd: groups must be given (got null)");
    assertIllegal(() -> SGD.withGroups(BIAS, null), "Sgd: groups[1] must be given (got null)");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void factor_negativeOrNotFinite_isRejected(double factor) {
    String rule = " factor must be at least 0 and finite (got " + factor + ")";
    assertIllegal(
        () -> BIAS.withLearningRateFactor(factor), "ParameterGroup: learning rate" + rule);
    assertIllegal(() -> BIAS.withWeightDecayFactor(factor), "ParameterGroup: weight decay" + rule);
  }
}
