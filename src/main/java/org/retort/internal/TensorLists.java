package org.retort.internal;

import java.util.List;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;

/** Converts LibTorch's lists of tensors. */
public final class TensorLists {
  private TensorLists() {}

  /**
   * Copies a list's handles, after checking each.
   *
   * @param tensors the argument
   * @param function the caller's name
   * @param argument the argument's name
   * @return a new vector of tensors that share memory with the list's, which the caller closes
   * @throws IllegalArgumentException if the list or an element is null or undefined
   * @throws IllegalStateException if an element was closed
   */
  public static TensorVector toVector(List<Tensor> tensors, String function, String argument) {
    return new TensorVector(Arguments.tensors(tensors, function, argument));
  }

  /**
   * Copies a vector's handles.
   *
   * @param vector a vector, which may be closed afterwards
   * @return new tensors that share memory with the vector's, in its order
   */
  public static List<Tensor> toList(TensorVector vector) {
    return LongStream.range(0, vector.size()).mapToObj(i -> new Tensor(vector.get(i))).toList();
  }
}
