package org.retort.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * Images in a text file, compressed with gzip or not: one line per image, with its class in one
 * column and its pixels, integers in the order [C, H, W], in the others. The file is read once,
 * line by line; pixels are kept as bytes. Fields are not quoted; spaces around them and empty lines
 * are ignored.
 */
public final class CsvDataset implements Dataset {
  /** An image as stored in the file. */
  private record Line(byte[] pixels, int label) {}

  private final ImageShape shape;
  private final int maxPixelValue;
  private final BytePixels pixels;
  private final int classes;
  private final List<Line> lines;

  private CsvDataset(Builder builder) {
    shape = builder.shape;
    maxPixelValue = builder.maxPixelValue;
    pixels = new BytePixels(maxPixelValue);
    lines = new LineReader(builder).read();
    int largest = lines.stream().mapToInt(Line::label).max().orElse(Dataset.UNLABELED);
    classes = builder.classes > 0 ? builder.classes : Math.max(0, largest) + 1;
  }

  /**
   * Returns a builder for the data set in a file.
   *
   * @param file the file to read
   * @param shape the shape of each image; a line has one more field than an image has values
   * @return a new builder
   * @throws IllegalArgumentException if an argument is null
   * @throws FileException if the file is missing
   */
  public static Builder builder(Path file, ImageShape shape) {
    DataFile checked = DataFile.of("CsvDataset.builder", file);
    Arguments.notNull(shape, "CsvDataset.builder", "shape");
    return new Builder(checked.path(), shape);
  }

  @Override
  public int size() {
    return lines.size();
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public ImageShape shape() {
    return shape;
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, lines.size() - 1, "CsvDataset.label", "index");
    return lines.get(index).label();
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, lines.size() - 1, "CsvDataset.read", "index");
    pixels.append(lines.get(index).pixels(), image);
  }

  /** Returns a hash of the labels, all pixels and the value they are divided by. */
  @Override
  public long fingerprint() {
    Fingerprint fingerprint = Fingerprint.of(this).add(maxPixelValue);
    lines.forEach(line -> fingerprint.add(ByteBuffer.wrap(line.pixels())));
    return fingerprint.value();
  }

  /** Reads the lines of a file. */
  private static final class LineReader {
    private static final int MOST_SHOWN = 40;

    private final DataFile file;
    private final Builder options;
    private final int fields;
    private int number;

    LineReader(Builder options) {
      this.options = options;
      file = new DataFile("CsvDataset.Builder.open", options.file);
      fields = options.shape.values() + 1;
    }

    List<Line> read() {
      List<Line> lines = new ArrayList<>();
      try (BufferedReader reader =
          new BufferedReader(new InputStreamReader(file.open(), StandardCharsets.UTF_8))) {
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
          number++;
          if (!line.isBlank() && !(options.header && number == 1)) {
            lines.add(parse(line));
          }
        }
      } catch (IOException e) {
        throw new FileException(
            file.function()
                + ": line "
                + (number + 1)
                + " of "
                + file.path()
                + " must be readable (got "
                + e.getMessage()
                + ")",
            e);
      }
      if (lines.isEmpty()) {
        throw file.damaged("the lines", "be at least one image", "none");
      }
      return lines;
    }

    private Line parse(String line) {
      requireFields(line); // before memory is allocated for them
      byte[] pixels = new byte[fields - 1];
      int label = 0;
      int start = 0;
      for (int column = 0; column < fields; column++) {
        int end = column < fields - 1 ? line.indexOf(options.separator, start) : line.length();
        String field = line.substring(start, end).strip();
        start = end + 1;
        if (column == options.labelColumn) {
          int most = (options.classes > 0 ? options.classes : Builder.MOST_CLASSES) - 1;
          label = wholeNumber(field, column, Dataset.UNLABELED, most);
        } else {
          int pixel = column - (column > options.labelColumn ? 1 : 0);
          pixels[pixel] = (byte) wholeNumber(field, column, 0, options.maxPixelValue);
        }
      }
      return new Line(pixels, label);
    }

    private void requireFields(String line) {
      int got = 1;
      for (int i = 0; i < line.length(); i++) {
        got += line.charAt(i) == options.separator ? 1 : 0;
      }
      if (got != fields) {
        throw file.damaged("line " + number, "have " + fields + " fields", String.valueOf(got));
      }
    }

    private int wholeNumber(String field, int column, int low, int high) {
      try {
        int value = Integer.parseInt(field);
        if (value >= low && value <= high) {
          return value;
        }
      } catch (NumberFormatException e) {
        // reported below
      }
      throw file.damaged(
          "column " + column + " of line " + number,
          "be a whole number from " + low + " to " + high,
          "\""
              + (field.length() > MOST_SHOWN ? field.substring(0, MOST_SHOWN) + "…" : field)
              + "\"");
    }
  }

  /** A builder that sets how a file is read. */
  public static final class Builder {
    private static final int MOST_CLASSES = 1 << 20;

    private final Path file;
    private final ImageShape shape;
    private int labelColumn;
    private boolean header;
    private char separator = ',';
    private int maxPixelValue = 255;
    private int classes;

    private Builder(Path file, ImageShape shape) {
      this.file = file;
      this.shape = shape;
    }

    /**
     * Sets the column of the class; the first by default.
     *
     * @param column from 0 to the number of an image's values
     * @return this builder
     * @throws IllegalArgumentException if the column is out of range
     */
    public Builder labelColumn(int column) {
      Arguments.between(column, 0, shape.values(), "CsvDataset.Builder.labelColumn", "column");
      labelColumn = column;
      return this;
    }

    /**
     * Skips the first line, which has the column names; by default, it is an image.
     *
     * @return this builder
     */
    public Builder header() {
      header = true;
      return this;
    }

    /**
     * Sets the character between fields; a comma by default.
     *
     * @param character for example {@code ';'}
     * @return this builder
     */
    public Builder separator(char character) {
      separator = character;
      return this;
    }

    /**
     * Sets the largest possible pixel value; 255 by default. All pixels are divided by it, so that
     * they are from 0 to 1.
     *
     * @param value from 1 to 255
     * @return this builder
     * @throws IllegalArgumentException if the value is out of range
     */
    public Builder maxPixelValue(int value) {
      Arguments.between(value, 1, 255, "CsvDataset.Builder.maxPixelValue", "value");
      maxPixelValue = value;
      return this;
    }

    /**
     * Sets the number of classes; by default, one more than the largest class that occurs.
     *
     * @param count from 1 to 1,048,576
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder classes(int count) {
      Arguments.between(count, 1, MOST_CLASSES, "CsvDataset.Builder.classes", "count");
      classes = count;
      return this;
    }

    /**
     * Reads the file.
     *
     * @return the data set
     * @throws FileException if the file can't be read, or a line is not an image; the message gives
     *     the file, the line and the column, from 0
     */
    public CsvDataset open() {
      return new CsvDataset(this);
    }
  }
}
