package org.retort.data;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Selects members of classes by hash, so that all programs that follow the rule agree. */
final class HashOrder {
  private HashOrder() {}

  /**
   * Picks the members of each class with the smallest hashes under {@code salt}; {@code share} maps
   * the size of a class to the number to pick. Returns their positions in {@code labels}, in
   * ascending order; labels outside the classes are skipped.
   */
  static int[] smallest(long salt, int[] labels, int classes, IntUnaryOperator share) {
    Comparator<Integer> byHash =
        (a, b) -> Long.compareUnsigned(SplitMix64.hash(salt, a), SplitMix64.hash(salt, b));
    Map<Integer, List<Integer>> members =
        IntStream.range(0, labels.length)
            .filter(i -> labels[i] >= 0 && labels[i] < classes)
            .boxed()
            .collect(Collectors.groupingBy(i -> labels[i]));
    return members.values().stream()
        .flatMap(ofClass -> ofClass.stream().sorted(byHash).limit(share.applyAsInt(ofClass.size())))
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }
}
