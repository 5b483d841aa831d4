package org.retort.models;

import java.util.List;
import java.util.function.Function;
import org.bytedeco.pytorch.StringVector;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.StringLists;

/** The taps that a network is loaded with. */
final class TapNames {
  private TapNames() {}

  /** Returns the taps that a caller of {@code function} gave, none of which may be null. */
  static List<String> of(String function, String[] taps) {
    Arguments.notNull(taps, function, "taps");
    for (String tap : taps) {
      Arguments.notNull(tap, function, "tap");
    }
    return List.of(taps);
  }

  /** Hands the taps to native code. */
  static <T> T call(List<String> taps, Function<StringVector, T> loader) {
    return Native.call(
        () -> {
          try (StringVector names = StringLists.toVector(taps)) {
            return loader.apply(names);
          }
        });
  }
}
