package org.retort.cli;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.retort.train.Metrics;

/**
 * A confusion matrix as a heat map, each row as fractions of the class's samples: with names and
 * numbers where there is room for them, otherwise with the classes' numbers along the axes.
 */
final class ConfusionPicture {
  private static final int MARGIN = 16;
  private static final int GAP = 8;
  private static final int BAR = 16;
  private static final int LONGEST_NAME = 170;
  private static final int SMALLEST_WITH_NAMES = 13;
  private static final int SMALLEST_WITH_NUMBERS = 26;
  private static final int SMALLEST_WITH_GRID = 5;
  private static final Color INK = new Color(0x1b2733);
  private static final Color GRID = new Color(0xdfe6ee);
  private static final Color ABSENT = new Color(0xe9e4dc);
  private static final Font PLAIN = new Font(Font.SANS_SERIF, Font.PLAIN, 12);
  private static final Font SMALL = new Font(Font.SANS_SERIF, Font.PLAIN, 11);
  private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 15);
  private static final String NOTE =
      "Percent of each class's samples: rows add up to 100. Colours by the square root.";

  private final List<String> names;
  private final Metrics metrics;
  private final int classes;
  private final int cell;
  private final int left;
  private final int top;
  private final int side;
  private final Graphics2D graphics;
  private final BufferedImage image;

  private ConfusionPicture(String title, List<String> classNames, Metrics metrics) {
    this.metrics = metrics;
    classes = metrics.classes();
    names = ClassNames.of(classNames, classes);
    cell = cell(classes);
    side = cell * classes;
    FontMetrics plain = Drawing.measure(PLAIN);
    int labels = hasNames() ? longest(plain) : plain.stringWidth(String.valueOf(classes)) + GAP;
    left = MARGIN + plain.getHeight() + GAP + labels + GAP;
    top = MARGIN + 2 * plain.getHeight() + 2 * GAP + TITLE.getSize();
    int bottom = labels + plain.getHeight() + 2 * GAP + MARGIN;
    int right = GAP * 2 + BAR + GAP + plain.stringWidth("100 %") + MARGIN;
    int text = Math.max(plain.stringWidth(note()), Drawing.measure(TITLE).stringWidth(title));
    int width = Math.max(left + side + right, left + text + MARGIN);
    image = new BufferedImage(width, top + side + bottom, BufferedImage.TYPE_INT_RGB);
    graphics = image.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      graphics.setColor(Color.WHITE);
      graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
      drawTitle(title);
      drawCells();
      drawLabels();
      drawBar();
    } finally {
      graphics.dispose();
    }
  }

  /** Returns the picture of a network's metrics; a class without a name is shown by its number. */
  static BufferedImage of(String title, List<String> classNames, Metrics metrics) {
    return new ConfusionPicture(title, classNames, metrics).image;
  }

  /** Returns the same as PNG. */
  static byte[] png(String title, List<String> classNames, Metrics metrics) throws IOException {
    return Drawing.png(of(title, classNames, metrics));
  }

  /** Returns only the matrix, with at least one pixel per entry, as PNG. */
  static byte[] bare(Metrics metrics) throws IOException {
    int classes = metrics.classes();
    int scale = Math.max(1, 600 / classes);
    BufferedImage image =
        new BufferedImage(classes * scale, classes * scale, BufferedImage.TYPE_INT_RGB);
    fill(image, metrics, scale, 0, 0);
    return Drawing.png(image);
  }

  private static int cell(int classes) {
    return classes <= 10 ? 52 : Math.max(1, Math.min(40, 900 / classes));
  }

  private boolean hasNames() {
    return cell >= SMALLEST_WITH_NAMES;
  }

  private int longest(FontMetrics font) {
    int longest = 0;
    for (String name : names) {
      longest = Math.max(longest, font.stringWidth(shortened(name, font)));
    }
    return longest;
  }

  private static String shortened(String name, FontMetrics font) {
    return ShortText.inPixels(name, font, LONGEST_NAME);
  }

  private void drawTitle(String title) {
    graphics.setColor(INK);
    graphics.setFont(TITLE);
    graphics.drawString(title, left, MARGIN + TITLE.getSize());
    graphics.setFont(PLAIN);
    graphics.drawString(note(), left, MARGIN + TITLE.getSize() + GAP + PLAIN.getSize());
  }

  private void drawCells() {
    fill(image, metrics, cell, left, top);
    if (cell >= SMALLEST_WITH_NUMBERS) {
      drawNumbers();
    }
    graphics.setColor(GRID);
    graphics.setStroke(new BasicStroke(1));
    for (int i = 0; i <= classes; i++) {
      if (cell >= SMALLEST_WITH_GRID || i % classes == 0) {
        graphics.drawLine(left + i * cell, top, left + i * cell, top + side);
        graphics.drawLine(left, top + i * cell, left + side, top + i * cell);
      }
    }
  }

  /** Fills the cells pixel by pixel: a thousand classes have a million cells. */
  private static void fill(BufferedImage image, Metrics metrics, int cell, int left, int top) {
    int[] pixels = new int[cell * cell];
    for (int label = 0; label < metrics.classes(); label++) {
      for (int predicted = 0; predicted < metrics.classes(); predicted++) {
        Arrays.fill(pixels, color(metrics, label, predicted).getRGB());
        image.setRGB(left + predicted * cell, top + label * cell, cell, cell, pixels, 0, cell);
      }
    }
  }

  private void drawNumbers() {
    graphics.setFont(SMALL);
    FontMetrics font = graphics.getFontMetrics();
    for (int label = 0; label < classes; label++) {
      for (int predicted = 0; predicted < classes; predicted++) {
        if (metrics.confusion(label, predicted) > 0) {
          graphics.setColor(HeatColors.textOn(color(metrics, label, predicted)));
          String number = percent(metrics, label, predicted);
          graphics.drawString(
              number,
              left + predicted * cell + (cell - font.stringWidth(number)) / 2,
              top + label * cell + (cell + font.getAscent() - font.getDescent()) / 2);
        }
      }
    }
  }

  private String note() {
    for (int label = 0; label < classes; label++) {
      if (metrics.support(label) == 0) {
        return NOTE + " Beige: no samples.";
      }
    }
    return NOTE;
  }

  /** Returns the colour of an entry. */
  private static Color color(Metrics metrics, int label, int predicted) {
    long support = metrics.support(label);
    return support == 0
        ? ABSENT
        : HeatColors.LIGHT.of((double) metrics.confusion(label, predicted) / support);
  }

  /** Returns an entry in percent of its row; a few samples of many are not shown as 0. */
  static String percent(Metrics metrics, int label, int predicted) {
    double percent = 100.0 * metrics.confusion(label, predicted) / metrics.support(label);
    if (percent > 0 && percent < 0.5) {
      return "<1";
    }
    return percent < 100 && percent >= 99.5 ? ">99" : String.valueOf(Math.round(percent));
  }

  private void drawLabels() {
    graphics.setColor(INK);
    graphics.setFont(PLAIN);
    FontMetrics font = graphics.getFontMetrics();
    int step = hasNames() ? 1 : step();
    int widest = 0;
    for (int i = 0; i < classes; i += step) {
      String name = hasNames() ? shortened(names.get(i), font) : String.valueOf(i);
      int width = font.stringWidth(name);
      widest = Math.max(widest, width);
      int middle = i * cell + cell / 2;
      int baseline = (font.getAscent() - font.getDescent()) / 2;
      graphics.drawString(name, left - GAP - width, top + middle + baseline);
      drawUpwards(name, left + middle + baseline, top + side + GAP + width);
    }
    String rows = hasNames() ? "true class" : "number of the true class";
    String columns = hasNames() ? "predicted class" : "number of the predicted class";
    graphics.drawString(
        columns,
        left + (side - font.stringWidth(columns)) / 2,
        top + side + 2 * GAP + widest + font.getAscent());
    drawUpwards(rows, MARGIN + font.getAscent(), top + (side + font.stringWidth(rows)) / 2);
  }

  /** Returns the distance between numbers along the axes: a round number of classes. */
  private int step() {
    int apart = (int) Math.ceil(32.0 / cell);
    int step = 1;
    int[] factors = {2, 5, 10};
    for (int power = 1; step < apart; power *= 10) {
      for (int factor : factors) {
        if (step < apart) {
          step = factor * power;
        }
      }
    }
    return step;
  }

  /** Draws text upwards from the start of a baseline. */
  private void drawUpwards(String text, int x, int y) {
    AffineTransform before = graphics.getTransform();
    graphics.translate(x, y);
    graphics.rotate(-Math.PI / 2);
    graphics.drawString(text, 0, 0);
    graphics.setTransform(before);
  }

  private void drawBar() {
    int height = Math.min(side, 300);
    int x = left + side + 2 * GAP;
    for (int i = 0; i < height; i++) {
      graphics.setColor(HeatColors.LIGHT.at(1 - (double) i / (height - 1)));
      graphics.fillRect(x, top + i, BAR, 1);
    }
    graphics.setColor(INK);
    graphics.setFont(SMALL);
    int[] marks = height < 150 ? new int[] {0, 25, 100} : new int[] {0, 5, 25, 50, 100};
    for (int percent : marks) {
      int y = top + (int) Math.round((1 - Math.sqrt(percent / 100.0)) * (height - 1));
      graphics.drawLine(x + BAR, y, x + BAR + 3, y);
      graphics.drawString(percent + " %", x + BAR + GAP, y + SMALL.getSize() / 2 - 1);
    }
  }
}
