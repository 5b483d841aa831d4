package org.retort.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.util.Random;

/** Draws from a fuzzer's input as long as there is some, so that the fuzzer can choose. */
final class FuzzedRandom extends Random {
  private static final long serialVersionUID = 1;

  private transient FuzzedDataProvider data;

  FuzzedRandom(long seed) {
    super(seed);
  }

  /** Starts anew with an input. */
  void restart(FuzzedDataProvider input) {
    setSeed(0);
    data = input;
  }

  @Override
  protected int next(int bits) {
    return data == null || data.remainingBytes() == 0
        ? super.next(bits)
        : data.consumeInt() >>> (Integer.SIZE - bits);
  }
}
