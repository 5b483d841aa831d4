package org.retort.train;

import org.retort.bindings.global.retort.NativeMemoryFormat;

/** The memory layout of a network's feature maps. Results differ only by rounding. */
public enum MemoryFormat {
  /** [B, C, H, W]. */
  CONTIGUOUS(NativeMemoryFormat.kContiguous),
  /** [B, H, W, C], in which convolutions are often faster. Needs images [C, H, W]. */
  CHANNELS_LAST(NativeMemoryFormat.kChannelsLast),
  /**
   * Whichever of the two is faster: the first eight batches alternate between them and are timed.
   * Two runs may therefore choose differently and differ in rounding; a resumed run keeps the
   * choice.
   */
  AUTO(NativeMemoryFormat.kAuto);

  final NativeMemoryFormat nativeFormat;

  MemoryFormat(NativeMemoryFormat nativeFormat) {
    this.nativeFormat = nativeFormat;
  }
}
