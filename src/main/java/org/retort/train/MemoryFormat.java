package org.retort.train;

import org.retort.bindings.global.retort.NativeMemoryFormat;

/** How a network's maps lie in memory. The results are the same but for rounding. */
public enum MemoryFormat {
  /** [B, C, H, W]. */
  CONTIGUOUS(NativeMemoryFormat.kContiguous),
  /** [B, H, W, C], in which convolutions are often faster. Needs images [C, H, W]. */
  CHANNELS_LAST(NativeMemoryFormat.kChannelsLast),
  /**
   * Whichever of the two is faster: the first eight batches take turns. A choice by the clock: two
   * runs may differ in rounding, a resumed one keeps the choice.
   */
  AUTO(NativeMemoryFormat.kAuto);

  final NativeMemoryFormat nativeFormat;

  MemoryFormat(NativeMemoryFormat nativeFormat) {
    this.nativeFormat = nativeFormat;
  }
}
