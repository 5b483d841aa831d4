package org.retort.cli;

import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Samples of classes as one picture: one row per class, with its name on the left. */
final class SamplesPicture {
  /** The maximum number of classes shown. */
  static final int MOST_ROWS = 40;

  /** The maximum number of samples shown per class. */
  static final int MOST_PICTURES = 8;

  private static final int CELL = 96;
  private static final int MARGIN = 16;
  private static final int GAP = 8;
  private static final int LONGEST_NAME = 200;
  private static final Color INK = new Color(0x1b2733);
  private static final Color FAINT = new Color(0x64748b);
  private static final Font NAME = new Font(Font.SANS_SERIF, Font.BOLD, 14);
  private static final Font NOTE = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

  private final List<Row> rows;
  private final boolean hasNames;
  private final int left;
  private final int cellHeight;
  private final int cellWidth;
  private final BufferedImage image;
  private final Graphics2D graphics;

  /**
   * A class.
   *
   * @param name its name
   * @param note a note, for example how many samples it has
   * @param pictures some of its samples
   */
  record Row(String name, String note, List<BufferedImage> pictures) {}

  private SamplesPicture(List<Row> rows, boolean hasNames) {
    this.rows = rows;
    this.hasNames = hasNames;
    cellHeight = largest(rows, BufferedImage::getHeight);
    cellWidth = largest(rows, BufferedImage::getWidth);
    left = MARGIN + (hasNames ? longestName() + 2 * GAP : 0);
    int columns = rows.stream().mapToInt(row -> row.pictures.size()).max().orElse(0);
    image =
        new BufferedImage(
            left + columns * (cellWidth + GAP) - GAP + MARGIN,
            2 * MARGIN + rows.size() * (cellHeight + GAP) - GAP,
            BufferedImage.TYPE_INT_RGB);
    graphics = image.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.setColor(Color.WHITE);
      graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
      for (int i = 0; i < rows.size(); i++) {
        draw(rows.get(i), MARGIN + i * (cellHeight + GAP));
      }
    } finally {
      graphics.dispose();
    }
  }

  /**
   * Returns the picture.
   *
   * @param rows the rows, at least one of them with a picture
   * @param hasNames whether to draw the names, which requires fonts
   */
  static BufferedImage of(List<Row> rows, boolean hasNames) {
    return new SamplesPicture(rows, hasNames).image;
  }

  /** Returns the same as PNG. */
  static byte[] png(List<Row> rows, boolean hasNames) throws IOException {
    return Drawing.png(of(rows, hasNames));
  }

  /** Returns at most {@code most} indices out of {@code count}, evenly spaced, in order. */
  static IntStream evenly(int count, int most) {
    int taken = Math.min(count, most);
    return IntStream.range(0, taken).map(i -> (int) ((long) i * count / taken));
  }

  private interface Side {
    int of(BufferedImage picture);
  }

  private static int largest(List<Row> rows, Side side) {
    return rows.stream()
        .flatMap(row -> row.pictures.stream())
        .mapToInt(picture -> side.of(picture) * scale(picture))
        .max()
        .orElse(CELL);
  }

  /** Returns the factor by which small pictures are enlarged, pixel by pixel. */
  private static int scale(BufferedImage picture) {
    return Math.max(1, CELL / Math.max(picture.getWidth(), picture.getHeight()));
  }

  private int longestName() {
    FontMetrics names = Drawing.measure(NAME);
    FontMetrics notes = Drawing.measure(NOTE);
    return rows.stream()
        .mapToInt(
            row ->
                Math.max(
                    names.stringWidth(ShortText.inPixels(row.name, names, LONGEST_NAME)),
                    notes.stringWidth(row.note)))
        .max()
        .orElse(0);
  }

  private void draw(Row row, int top) {
    if (hasNames) {
      drawName(row, top + cellHeight / 2);
    }
    for (int i = 0; i < row.pictures.size(); i++) {
      BufferedImage picture = row.pictures.get(i);
      int width = picture.getWidth() * scale(picture);
      int height = picture.getHeight() * scale(picture);
      graphics.drawImage(picture, left + i * (cellWidth + GAP), top, width, height, null);
    }
  }

  private void drawName(Row row, int middle) {
    graphics.setFont(NAME);
    graphics.setColor(INK);
    String name = ShortText.inPixels(row.name, graphics.getFontMetrics(), LONGEST_NAME);
    graphics.drawString(name, MARGIN, middle);
    graphics.setFont(NOTE);
    graphics.setColor(FAINT);
    graphics.drawString(row.note, MARGIN, middle + graphics.getFontMetrics().getHeight());
  }

  /** Returns a summary of how many pictures of how many classes the rows have. */
  static Optional<String> summary(List<Row> rows) {
    int pictures = rows.stream().mapToInt(row -> row.pictures.size()).sum();
    return pictures == 0
        ? Optional.empty()
        : Optional.of(
            Inspection.count(pictures, "picture", "pictures")
                + " of "
                + Inspection.count(rows.size(), "class", "classes"));
  }
}
