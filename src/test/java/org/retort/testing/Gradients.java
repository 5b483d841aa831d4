package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What every loss promises of its gradients. */
public final class Gradients {
  private Gradients() {}

  /** Expects a gradient that is neither absent nor all zero, and of that dtype. */
  public static void assertGiven(Tensor input, ScalarType dtype) {
    assertThat(input.grad().defined()).isTrue();
    assertThat(input.grad().scalar_type().intern()).isEqualTo(dtype);
    assertThat(input.grad().abs().max().item_double()).isPositive();
  }

  /** Expects a second pass over a graph that was kept to give the same gradient again. */
  public static void assertRepeatable(Tensor loss, Tensor input) {
    loss.backward(new Tensor(), new BoolOptional(true), false, new TensorArrayRefOptional());
    Tensor first = input.grad().clone();
    loss.backward();
    assertThat(Bits.of(input.grad())).isEqualTo(Bits.of(first.mul(new Scalar(2))));
  }

  /** Expects a loss to refuse the gradient of its gradient. */
  public static void assertOnce(Tensor loss, Tensor input, String function) {
    Tensor gradient =
        torch
            .grad(
                new TensorVector(loss),
                new TensorVector(input),
                new TensorVector(),
                new BoolOptional(true),
                true,
                false)
            .get(0);
    assertThatThrownBy(() -> gradient.sum().backward())
        .isInstanceOf(RuntimeException.class)
        .hasMessage(function + ": the gradient must not be differentiated again");
  }
}
