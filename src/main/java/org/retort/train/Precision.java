package org.retort.train;

import org.retort.bindings.global.retort.NativePrecision;

/** The arithmetic of a network's forward pass. */
public enum Precision {
  /** That of the network's dtype. */
  FULL(NativePrecision.kFull),
  /**
   * Convolutions and matrix products in bfloat16, by PyTorch's autocast; weights, losses and
   * updates stay as they are.
   */
  BFLOAT16(NativePrecision.kBFloat16),
  /**
   * The same in float16, for GPUs that have no bfloat16. The student's loss is scaled so that
   * gradients do not vanish, as by {@code torch.amp.GradScaler}: the scale starts at 65536, is
   * halved when a gradient overflows and doubled after 2,000 batches without an overflow. A batch
   * whose gradients overflow is skipped, with {@link StepResult#skipped} set.
   */
  FLOAT16(NativePrecision.kFloat16);

  final NativePrecision nativePrecision;

  Precision(NativePrecision nativePrecision) {
    this.nativePrecision = nativePrecision;
  }
}
