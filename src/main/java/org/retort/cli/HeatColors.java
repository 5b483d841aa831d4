package org.retort.cli;

import java.awt.Color;

/**
 * The colours of confusion matrices: one hue that gets darker on white, or lighter on black, so
 * that everybody can see the order. Fractions are shown by their square roots, since the few
 * samples off the diagonal are what matters.
 *
 * @param stops evenly spaced colours, from 0 to 1
 */
record HeatColors(Color... stops) {
  static final HeatColors LIGHT =
      new HeatColors(
          new Color(0xf6f9fc),
          new Color(0xcfe1f2),
          new Color(0x93c3df),
          new Color(0x4b97c9),
          new Color(0x1664ab),
          new Color(0x08306b));

  static final HeatColors DARK =
      new HeatColors(
          new Color(0x18212c),
          new Color(0x163a5c),
          new Color(0x1d5c8f),
          new Color(0x3b86bf),
          new Color(0x86b9e0),
          new Color(0xdcebf8));

  /** Returns the colour of a fraction from 0 to 1. */
  Color of(double fraction) {
    return at(Math.sqrt(fraction));
  }

  /** Returns the colour at a position on the scale, from 0 to 1. */
  Color at(double place) {
    double position = place * (stops.length - 1);
    int from = Math.min((int) position, stops.length - 2);
    double part = position - from;
    return new Color(
        mix(stops[from].getRed(), stops[from + 1].getRed(), part),
        mix(stops[from].getGreen(), stops[from + 1].getGreen(), part),
        mix(stops[from].getBlue(), stops[from + 1].getBlue(), part));
  }

  private static int mix(int from, int to, double part) {
    return (int) Math.round(from + part * (to - from));
  }

  /** Returns black or white, whichever is more readable on a colour. */
  static Color textOn(Color background) {
    return contrast(background, Color.BLACK) > contrast(background, Color.WHITE)
        ? Color.BLACK
        : Color.WHITE;
  }

  /** Returns the contrast of two colours as WCAG defines it, from 1 to 21. */
  static double contrast(Color one, Color other) {
    double first = luminance(one);
    double second = luminance(other);
    return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
  }

  private static double luminance(Color color) {
    return 0.2126 * linear(color.getRed())
        + 0.7152 * linear(color.getGreen())
        + 0.0722 * linear(color.getBlue());
  }

  private static double linear(int value) {
    double part = value / 255.0;
    return part <= 0.04045 ? part / 12.92 : Math.pow((part + 0.055) / 1.055, 2.4);
  }
}
