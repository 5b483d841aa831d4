package org.retort.data;

import java.util.Comparator;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/** Chooses members of classes by hash, so that every program that follows the rule has the same. */
final class HashOrder {
  private HashOrder() {}

  /**
   * Picks, of each class, those members whose hashes under {@code salt} are the smallest; {@code
   * share} turns the size of a class into the number to pick. Returns their positions in {@code
   * labels}, ascending; negative labels are skipped.
   */
  static int[] smallest(long salt, int[] labels, int classes, IntUnaryOperator share) {
    Comparator<Integer> byHash =
        (a, b) -> Long.compareUnsigned(SplitMix64.hash(salt, a), SplitMix64.hash(salt, b));
    return IntStream.range(0, classes)
        .flatMap(
            wanted -> {
              int[] members =
                  IntStream.range(0, labels.length).filter(i -> labels[i] == wanted).toArray();
              return IntStream.of(members)
                  .boxed()
                  .sorted(byHash)
                  .limit(share.applyAsInt(members.length))
                  .mapToInt(Integer::intValue);
            })
        .sorted()
        .toArray();
  }
}
