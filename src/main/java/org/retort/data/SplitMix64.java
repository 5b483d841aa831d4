package org.retort.data;

/**
 * The finalizer of the SplitMix64 generator, used as a hash: it decides which sample is in which
 * part of the data.
 */
final class SplitMix64 {
  private SplitMix64() {}

  /** Returns the first output of a SplitMix64 generator whose state is {@code value}; unsigned. */
  static long hash(long value) {
    long z = value + 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** Returns the hash of the number {@code index} under {@code salt}; unsigned. */
  static long hash(long salt, int index) {
    return hash((salt << 32) + index);
  }
}
