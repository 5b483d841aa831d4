package org.retort.train;

/** The memory layout of a network's feature maps. Results differ only by rounding. */
public enum MemoryFormat {
  /** [B, C, H, W]. */
  CONTIGUOUS,
  /** [B, H, W, C], in which convolutions are often faster. Needs images [C, H, W]. */
  CHANNELS_LAST,
  /**
   * Whichever of the two is faster: the first eight batches alternate between them and are timed.
   * Two runs may therefore choose differently and differ in rounding; a resumed run keeps the
   * choice.
   */
  AUTO
}
