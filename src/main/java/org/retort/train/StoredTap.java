package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.stream.LongStream;
import org.retort.internal.Arguments;

/**
 * A tap of a teacher whose features are stored; see {@link StoredOutputsFormat}.
 *
 * @param name the tap's name, not empty
 * @param shape the shape of one feature, without the batch
 */
public record StoredTap(String name, List<Long> shape) {
  private static final String NAME = "StoredTap";

  /**
   * Creates a tap.
   *
   * @param name not empty
   * @param shape positive sizes
   * @throws IllegalArgumentException if an argument is null, the name is empty or a size is not
   *     positive
   */
  public StoredTap {
    Arguments.notNull(name, NAME, "name");
    check(!name.isEmpty(), "%s: name must not be empty (got an empty one)", NAME);
    shape = Arguments.list(shape, NAME, "shape");
    check(
        shape.stream().allMatch(size -> size > 0),
        "%s: shape must have positive sizes (got %s)",
        NAME,
        shape);
  }

  /**
   * Creates a tap.
   *
   * @param name not empty
   * @param shape the shape of one feature, for example 64, 8, 8
   * @return the tap
   * @throws IllegalArgumentException if an argument is null, the name is empty or a size is not
   *     positive
   */
  public static StoredTap of(String name, long... shape) {
    Arguments.notNull(shape, NAME, "shape");
    return new StoredTap(name, LongStream.of(shape).boxed().toList());
  }
}
