package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/** The golden cases of losses that take lists of maps and give a loss for each pair or layer. */
public final class GoldenMaps {
  private GoldenMaps() {}

  /** Compares the losses, and the student's gradients of their weighted sum. */
  public static void check(
      Map<String, Tensor> golden, Precision precision, BinaryOperator<List<Tensor>> loss) {
    List<Tensor> student = precision.trainable(GoldenCases.listed(golden, "s"));
    List<Tensor> teacher = precision.of(GoldenCases.listed(golden, "t"));
    List<Tensor> expected = GoldenCases.listed(golden, "loss");
    List<Tensor> gradients = GoldenCases.listed(golden, "grad");

    List<Tensor> losses = loss.apply(student, teacher);
    weightedSum(precision.of(golden.get("weights")), losses).backward();

    assertThat(losses).hasSameSizeAs(expected);
    for (int i = 0; i < losses.size(); i++) {
      assertThat(losses.get(i).scalar_type().intern()).isEqualTo(precision.dtype());
      precision.assertClose("loss " + i, losses.get(i), expected.get(i));
    }
    assertThat(gradients).hasSameSizeAs(student);
    for (int i = 0; i < student.size(); i++) {
      precision.assertClose("gradient " + i, student.get(i).grad(), gradients.get(i));
      assertThat(teacher.get(i).grad().defined()).isFalse();
    }
  }

  private static Tensor weightedSum(Tensor weights, List<Tensor> losses) {
    return IntStream.range(0, losses.size())
        .mapToObj(i -> losses.get(i).mul(weights.select(0, i)))
        .reduce(Tensor::add)
        .orElseThrow();
  }
}
