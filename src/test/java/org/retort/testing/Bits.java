package org.retort.testing;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Tensor;

/** The contents of tensors, for comparisons bit for bit. */
public final class Bits {
  private Bits() {}

  /** Copies the contents of a tensor, element after element. */
  public static ByteBuffer of(Tensor tensor) {
    Tensor dense = tensor.contiguous();
    byte[] bytes = new byte[(int) dense.nbytes()];
    new BytePointer(dense.data_ptr()).get(bytes);
    return ByteBuffer.wrap(bytes);
  }

  /** Copies the contents of tensors by name; closes the tensors. */
  public static Map<String, ByteBuffer> of(Map<String, Tensor> tensors) {
    Map<String, ByteBuffer> bits = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> {
          bits.put(name, of(tensor));
          tensor.close();
        });
    return bits;
  }
}
