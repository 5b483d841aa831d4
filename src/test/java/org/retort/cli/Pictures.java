package org.retort.cli;

import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.HashSet;
import java.util.Set;
import org.knowm.xchart.internal.chartpart.Chart;

/** What plots look like. */
final class Pictures {
  private static final int WIDTH = 400;

  private static final int HEIGHT = 240;

  private Pictures() {}

  /** Returns the colours of a plot in a small picture. */
  static Set<Integer> colours(Chart<?, ?> chart) {
    BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    chart.paint(graphics, WIDTH, HEIGHT);
    graphics.dispose();
    return colours(image);
  }

  /** Returns the colours of a picture. */
  static Set<Integer> colours(BufferedImage image) {
    Set<Integer> colours = new HashSet<>();
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        colours.add(image.getRGB(x, y) & 0xffffff);
      }
    }
    return colours;
  }
}
