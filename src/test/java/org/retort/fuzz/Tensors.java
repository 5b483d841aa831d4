package org.retort.fuzz;

import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Random tensors: most fit the parameter's name, some are what nobody should pass. */
final class Tensors {
  private static final long BATCH = 2;

  private static final List<ScalarType> DTYPES =
      List.of(
          ScalarType.Byte,
          ScalarType.Char,
          ScalarType.Short,
          ScalarType.Int,
          ScalarType.Long,
          ScalarType.Half,
          ScalarType.Float,
          ScalarType.Double,
          ScalarType.ComplexFloat,
          ScalarType.Bool,
          ScalarType.BFloat16,
          ScalarType.Float8_e4m3fn);

  private final Random random;
  private final Values values;

  Tensors(Random random, Values values) {
    this.random = random;
    this.values = values;
  }

  /** Returns a dtype, or null. */
  ScalarType dtype() {
    return (ScalarType) values.orNull(() -> values.pick(DTYPES));
  }

  /**
   * Returns a tensor, or null.
   *
   * @param name of the parameter
   * @param isOfMaps whether what has no telling name is a map [B, C, H, W], and not [B, C]
   */
  Tensor of(String name, boolean isOfMaps) {
    Tensor fitting = fitting(name, isOfMaps);
    return values.isWild() ? wild(fitting) : fitting;
  }

  private Tensor fitting(String name, boolean isOfMaps) {
    long[] shape =
        switch (name) {
          case "images" -> new long[] {BATCH, 3, 2, 2};
          case "labels", "indices", "weight", "weights" -> new long[] {BATCH};
          case "classes" -> new long[] {5};
          case "margin", "margins", "bnWeight", "bnBias" -> new long[] {3};
          case "contrast" -> new long[] {BATCH, 3};
          case "studentMemory", "teacherMemory", "memory" -> new long[] {5, 5};
          case "logits", "embeddings" -> new long[] {BATCH, Fixtures.CLASSES};
          default -> isOfMaps ? new long[] {BATCH, 3, 2, 2} : new long[] {BATCH, Fixtures.CLASSES};
        };
    for (int i = 0; i < shape.length; i++) {
      shape[i] = values.isWild() ? values.dimension() : shape[i];
    }
    return switch (name) {
      case "labels", "indices", "classes", "contrast" -> rows(shape);
      default -> numbers(shape);
    };
  }

  private Tensor rows(long[] shape) {
    int count = (int) LongStream.of(shape).reduce(1, (a, b) -> a * b);
    long[] rows =
        LongStream.generate(values::label).limit(count).map(this::mostlyPositive).toArray();
    return count == 0 ? torch.zeros(shape).to(ScalarType.Long) : Tensor.create(rows, shape);
  }

  private long mostlyPositive(long row) {
    return row == -1 && !values.isWild() ? 0 : row;
  }

  private Tensor numbers(long[] shape) {
    Tensor numbers = torch.rand(shape);
    return values.isWild() ? numbers.mul(new Scalar(values.real())) : numbers;
  }

  private Tensor wild(Tensor tensor) {
    List<Supplier<Tensor>> ways =
        List.of(
            () -> null,
            Tensor::new,
            Tensors::closed,
            () -> torch.zeros(random.nextInt(4)),
            () ->
                torch.zeros(
                    LongStream.generate(values::dimension).limit(random.nextInt(7)).toArray()),
            () -> tensor.to(values.pick(DTYPES)),
            () -> tensor.transpose(0, -1),
            () -> tensor.unsqueeze(0),
            () -> tensor.to_sparse(),
            () -> tensor.to(ScalarType.Float).to_mkldnn(),
            () -> tensor.detach().to(ScalarType.Double).requires_grad_(true),
            () -> torch.zeros(1).expand(1L << 40),
            () -> torch.zeros(1, 1, 1, 1).expand(BATCH, 1L << 20, 1L << 10, 1L << 10),
            () ->
                torch.quantize_per_tensor(tensor.to(ScalarType.Float), 0.1, 0, ScalarType.QUInt8));
    try {
      return values.pick(ways).get();
    } catch (RuntimeException impossible) { // a sparse tensor without dimensions, for example
      return tensor;
    }
  }

  private static Tensor closed() {
    Tensor tensor = torch.zeros(1);
    tensor.close();
    return tensor;
  }
}
