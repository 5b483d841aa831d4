package org.retort.train;

/** The arithmetic of a network's forward pass. */
public enum Precision {
  /** That of the network's dtype. */
  FULL,
  /**
   * Convolutions and matrix products in bfloat16, using PyTorch's autocast; weights, losses and
   * updates are unaffected.
   */
  BFLOAT16,
  /**
   * The same in float16, for GPUs without bfloat16. The student's loss is scaled so that gradients
   * do not vanish, as {@code torch.amp.GradScaler} does: the scale starts at 65536, is halved when
   * a gradient overflows and doubled after 2,000 batches without an overflow. A batch whose
   * gradients overflow is skipped, with {@link StepResult#skipped} set.
   */
  FLOAT16
}
