package org.retort.data;

import java.util.Comparator;
import org.retort.internal.Arguments;

/**
 * The size of a picture as displayed, in pixels. Sizes are ordered by number of pixels, then by
 * width.
 *
 * @param width at least 1
 * @param height at least 1
 */
public record PictureSize(int width, int height) implements Comparable<PictureSize> {
  private static final Comparator<PictureSize> ORDER =
      Comparator.comparingLong((PictureSize size) -> (long) size.width * size.height)
          .thenComparingInt(PictureSize::width);

  /**
   * Checks the size.
   *
   * @param width as above
   * @param height as above
   * @throws IllegalArgumentException if one is below 1
   */
  public PictureSize {
    Arguments.atLeast(width, 1, "PictureSize", "width");
    Arguments.atLeast(height, 1, "PictureSize", "height");
  }

  /**
   * Returns the length of the shorter side.
   *
   * @return at least 1
   */
  public int shorterSide() {
    return Math.min(width, height);
  }

  @Override
  public int compareTo(PictureSize other) {
    return ORDER.compare(this, Arguments.notNull(other, "PictureSize.compareTo", "other"));
  }
}
