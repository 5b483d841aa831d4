package org.retort.data;

import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;

/** Converts the samples of a pixel, as they are in a file, to eight-bit red, green and blue. */
@FunctionalInterface
interface PixelColors {
  /** Returns the color, as {@code 0xRRGGBB}, of the pixel whose samples begin at {@code at}. */
  int rgb(int[] samples, int at);

  /**
   * Returns the colors of a decoded picture in a palette or in red, green and blue. Its color model
   * would take the values for those of another color space if the file has a profile.
   */
  static PixelColors of(BufferedImage decoded) {
    if (decoded.getColorModel() instanceof IndexColorModel palette) {
      return (samples, at) -> palette.getRGB(samples[at]);
    }
    return color(decoded.getSampleModel().getSampleSize(0) - Byte.SIZE);
  }

  /** Returns a conversion of red, green and blue that drops {@code shift} bits of each sample. */
  static PixelColors color(int shift) {
    return (samples, at) ->
        pack(samples[at] >>> shift, samples[at + 1] >>> shift, samples[at + 2] >>> shift);
  }

  /** Packs red, green and blue, each from 0 to 255. */
  static int pack(int red, int green, int blue) {
    return red << 16 | green << 8 | blue;
  }
}
