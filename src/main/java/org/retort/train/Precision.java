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
  BFLOAT16(NativePrecision.kBFloat16);

  final NativePrecision nativePrecision;

  Precision(NativePrecision nativePrecision) {
    this.nativePrecision = nativePrecision;
  }
}
