package org.retort.cli;

import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import javax.imageio.ImageIO;

/** Helpers for all pictures drawn here. */
final class Drawing {
  private Drawing() {}

  /** Returns an image as a PNG file. */
  static byte[] png(BufferedImage image) throws IOException {
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    ImageIO.write(image, "png", png);
    return png.toByteArray();
  }

  /** Returns whether text can be drawn: a machine, usually a container, may have no fonts. */
  static boolean hasFonts() {
    try {
      return measure(new Font(Font.SANS_SERIF, Font.PLAIN, 12)).stringWidth("a") > 0;
    } catch (RuntimeException | Error e) { // which of them depends on the Java version
      return false;
    }
  }

  /** Returns the metrics of text before there is a picture to draw it into. */
  static FontMetrics measure(Font font) {
    Graphics2D graphics = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB).createGraphics();
    try {
      return graphics.getFontMetrics(font);
    } finally {
      graphics.dispose();
    }
  }
}
