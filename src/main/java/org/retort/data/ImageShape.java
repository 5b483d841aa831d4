package org.retort.data;

import org.retort.internal.Arguments;

/**
 * The shape of an image.
 *
 * @param channels at least 1
 * @param height rows, at least 1
 * @param width columns, at least 1
 */
public record ImageShape(int channels, int height, int width) {
  /**
   * Checks the shape.
   *
   * @param channels as above
   * @param height as above
   * @param width as above
   * @throws IllegalArgumentException if a size is below 1, or an image needs more than 2 GiB of
   *     float32
   */
  public ImageShape {
    Arguments.atLeast(channels, 1, "ImageShape", "channels");
    Arguments.atLeast(height, 1, "ImageShape", "height");
    Arguments.atLeast(width, 1, "ImageShape", "width");
    long most = Integer.MAX_VALUE / Float.BYTES;
    if (channels > most / ((long) height * width)) {
      throw new IllegalArgumentException(
          "ImageShape: shape must fit an image into 2 GiB (got ["
              + channels
              + ", "
              + height
              + ", "
              + width
              + "])");
    }
  }

  /**
   * Returns the number of values of an image.
   *
   * @return channels · height · width
   */
  public int values() {
    return channels * height * width;
  }
}
