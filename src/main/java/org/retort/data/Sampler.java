package org.retort.data;

import java.util.random.RandomGenerator;

/**
 * Draws from a pool in random order: {@code perPass} members without replacement, then again from
 * the whole pool. A pass over everything and a fresh draw per batch differ only in {@code perPass}.
 */
final class Sampler {
  private final int[] pool;
  private final int perPass;
  private final RandomGenerator random;
  private int drawn;

  Sampler(int[] pool, int perPass, RandomGenerator random) {
    this.pool = pool.clone();
    this.perPass = perPass;
    this.random = random;
  }

  /** Returns the next member: one step of a Fisher-Yates shuffle. */
  int next() {
    if (drawn == perPass) {
      drawn = 0;
    }
    int other = drawn + random.nextInt(pool.length - drawn);
    int member = pool[other];
    pool[other] = pool[drawn];
    pool[drawn] = member;
    drawn++;
    return member;
  }
}
