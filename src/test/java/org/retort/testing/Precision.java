package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A dtype and how well values in it must agree with the golden ones. */
public enum Precision {
  FLOAT64(ScalarType.Double, 1e-9),
  FLOAT32(ScalarType.Float, 2e-4);

  private final ScalarType dtype;
  private final double tolerance;

  Precision(ScalarType dtype, double tolerance) {
    this.dtype = dtype;
    this.tolerance = tolerance;
  }

  /** Returns the dtype. */
  public ScalarType dtype() {
    return dtype;
  }

  /** Returns a tensor in this dtype, not connected to the given one. */
  public Tensor of(Tensor tensor) {
    return tensor.detach().to(dtype, false, true, null);
  }

  /** Returns tensors in this dtype, not connected to the given ones. */
  public List<Tensor> of(List<Tensor> tensors) {
    return tensors.stream().map(this::of).toList();
  }

  /** Returns a tensor in this dtype that collects a gradient. */
  public Tensor trainable(Tensor tensor) {
    return of(tensor).requires_grad_(true);
  }

  /** Returns tensors in this dtype that collect gradients. */
  public List<Tensor> trainable(List<Tensor> tensors) {
    return tensors.stream().map(this::trainable).toList();
  }

  /** Fails unless the largest difference is small against the largest expected value. */
  public void assertClose(String what, Tensor actual, Tensor expected) {
    assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
    Tensor exact = expected.to(ScalarType.Double);
    double error = maximum(actual.to(ScalarType.Double).sub(exact));
    assertThat(error).as(what).isLessThanOrEqualTo(allowed(maximum(exact)));
  }

  /** Fails unless the difference is small against the expected value. */
  public void assertClose(String what, double actual, Tensor expected) {
    double exact = expected.item_double();
    assertThat(Math.abs(actual - exact)).as(what).isLessThanOrEqualTo(allowed(Math.abs(exact)));
  }

  /** Relative to the size of what is expected, or absolute where that is 0. */
  private double allowed(double size) {
    return tolerance * (size > 0 ? size : 1);
  }

  private static double maximum(Tensor tensor) {
    return tensor.abs().max().item_double();
  }
}
