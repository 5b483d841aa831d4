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
   * The same in float16, for GPUs that have no bfloat16. A student's gradients are kept from
   * vanishing by a factor of the loss, which moves as {@code torch.amp.GradScaler}'s: from 65536
   * on, halved when a gradient overflows, doubled after 2,000 batches without that. A batch whose
   * gradients overflow is passed over, with {@link StepResult#skipped} set.
   */
  FLOAT16(NativePrecision.kFloat16);

  final NativePrecision nativePrecision;

  Precision(NativePrecision nativePrecision) {
    this.nativePrecision = nativePrecision;
  }
}
