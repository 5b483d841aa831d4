package org.retort;

import static org.retort.testing.Failures.assertFails;

import java.nio.FloatBuffer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Buffers;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** Which failures in native code have which class. */
final class RetortExceptionTest {
  @AutoClose private final PointerScope scope = new PointerScope();
  @AutoClose private final Network student = ResNet.cifar(8, 5);
  @AutoClose private final Network teacher = ResNet.cifar(8, 5);

  @Test
  void compute_otherShape_isAShapeException() {
    assertFails(
        () -> KdLoss.of(4).compute(torch.zeros(2, 5), torch.zeros(2, 6)),
        ShapeException.class,
        "kd_loss: student and teacher must have the same shape (got [2, 5] and [2, 6])");
  }

  @Test
  void build_memoryBeyondAllAddresses_isAnOutOfMemoryException() {
    assertFails(
        () -> step(CrdLoss.forSamples(1L << 40)),
        OutOfMemoryException.class,
        "out of memory: could not allocate 562949953421312 bytes");
  }

  @Test
  void run_nanToRemember_isANonFiniteException() {
    FloatBuffer images = Buffers.random(1, 2 * 12).put(3, Float.NaN);
    try (TrainingStep step = step(CrdLoss.forSamples(4).withNegatives(2))) {
      assertFails(
          () -> step.run(images, Buffers.longs(1, 2), Buffers.longs(1, 2), step.newResult()),
          NonFiniteException.class,
          "crd_loss: z_student must be positive and finite (got nan)");
    }
  }

  @Test
  void contrast_rowOutOfRange_isARetortException() {
    assertFails(
        () -> CrdLoss.contrast(Tensor.create(7L), 5, 6),
        RetortException.class,
        "crd_contrast: indices must be between 0 and 4 (got 7)");
  }

  private TrainingStep step(CrdLoss loss) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 2, 2)
        .crossEntropy(0)
        .add(1, loss, Taps.of("embedding"))
        .build();
  }
}
