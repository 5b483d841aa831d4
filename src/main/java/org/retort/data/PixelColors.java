package org.retort.data;

import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;

/** Turns the samples of a pixel, as they are in a file, into red, green and blue of eight bits. */
@FunctionalInterface
interface PixelColors {
  /** The color, as {@code 0xRRGGBB}, of the pixel whose samples begin at {@code at}. */
  int rgb(int[] samples, int at);

  /**
   * Those of a decoded picture in a palette, in grey or in red, green and blue. Its color model
   * would take the values for those of another color space where the file has a profile, and grey
   * for linear light.
   */
  static PixelColors of(BufferedImage decoded) {
    if (decoded.getColorModel() instanceof IndexColorModel palette) {
      return (samples, at) -> palette.getRGB(samples[at]);
    }
    Raster raster = decoded.getRaster();
    int shift = raster.getSampleModel().getSampleSize(0) - Byte.SIZE;
    return raster.getNumBands() <= 2 ? grey(shift) : color(shift);
  }

  /** Grey; {@code shift} bits of each sample are dropped. */
  static PixelColors grey(int shift) {
    return (samples, at) -> (samples[at] >>> shift) * 0x010101;
  }

  /** Red, green and blue; {@code shift} bits of each sample are dropped. */
  static PixelColors color(int shift) {
    return (samples, at) ->
        pack(samples[at] >>> shift, samples[at + 1] >>> shift, samples[at + 2] >>> shift);
  }

  /** Puts red, green and blue, each from 0 to 255, together. */
  static int pack(int red, int green, int blue) {
    return red << 16 | green << 8 | blue;
  }
}
