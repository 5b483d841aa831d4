package org.retort.spark;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.retort.data.Dataset;
import org.retort.internal.Arguments;

/**
 * A reader of images, or rows of features, and their labels from two columns of a {@code
 * Dataset<Row>}.
 *
 * <p>The image column has, in the order [C, H, W],
 *
 * <ul>
 *   <li>{@code binary}: unsigned bytes, which are divided by 255 to give values from 0 to 1, or
 *   <li>an {@code array} of numbers, which are used as they are.
 * </ul>
 *
 * The label column has class numbers, or null where the class is not known. Decode photos in files
 * first, for example with {@link org.retort.data.PictureReader}.
 */
public final class ImageColumns implements SampleReader<Row> {
  private static final long serialVersionUID = 1L;
  private static final String NAME = "ImageColumns";

  private final String image;
  private final @Nullable String label;
  private final int classes;
  private final long[] inputShape;
  private final int count; // number of values per image

  private ImageColumns(String image, @Nullable String label, int classes, long[] inputShape) {
    this.image = image;
    this.label = label;
    this.classes = classes;
    this.inputShape = inputShape;
    count = (int) LongStream.of(inputShape).reduce(1, (one, other) -> one * other);
  }

  /**
   * Reads images without labels.
   *
   * @param image the name of the image column
   * @param inputShape channels, height and width, or the number of features
   * @return columns of one class, for prediction; see {@link #withLabel} for training
   * @throws IllegalArgumentException if the name is null or the shape is not one of these
   */
  public static ImageColumns of(String image, long... inputShape) {
    Arguments.notNull(image, NAME, "image");
    Arguments.notNull(inputShape, NAME, "input shape");
    Arguments.check(
        (inputShape.length == 1 || inputShape.length == 3)
            && LongStream.of(inputShape).allMatch(size -> size >= 1 && size <= Integer.MAX_VALUE),
        "%s: input shape must be [channels, height, width] or [features] (got %s)",
        NAME,
        Arrays.toString(inputShape));
    return new ImageColumns(image, null, 1, inputShape.clone());
  }

  /**
   * Adds the label column.
   *
   * @param label the name of the column
   * @param classes the number of classes, at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if the name is null or the number is out of range
   */
  public ImageColumns withLabel(String label, int classes) {
    Arguments.notNull(label, NAME, "label");
    Arguments.atLeast(classes, 1, NAME, "classes");
    return new ImageColumns(image, label, classes, inputShape);
  }

  /**
   * Returns the name of the image column.
   *
   * @return the name
   */
  public String image() {
    return image;
  }

  @Override
  public long[] inputShape() {
    return inputShape.clone();
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public void read(Row row, FloatBuffer values) {
    put(row.getAs(image), values);
  }

  /** Returns a reader of images instead of rows. */
  SampleReader<Object> values() {
    return new ImageValues(this);
  }

  /**
   * A reader of the values of the image column.
   *
   * @param columns the columns that it belongs to
   */
  private record ImageValues(ImageColumns columns) implements SampleReader<Object> {
    @Override
    public long[] inputShape() {
      return columns.inputShape();
    }

    @Override
    public int classes() {
      return columns.classes();
    }

    @Override
    public void read(Object value, FloatBuffer values) {
      columns.put(value, values);
    }

    @Override
    public int label(Object value) {
      return Dataset.UNLABELED;
    }
  }

  /** Appends the values of an image, given as Spark represents the column. */
  void put(@Nullable Object value, FloatBuffer values) {
    if (value instanceof byte[] bytes) {
      requireCount(bytes.length);
      for (byte pixel : bytes) {
        values.put((pixel & 0xff) / 255f);
      }
    } else if (value instanceof scala.collection.Seq<?> numbers) {
      List<?> list = scala.jdk.javaapi.CollectionConverters.asJava(numbers);
      requireCount(list.size());
      for (Object number : list) {
        values.put(number(number));
      }
    } else {
      throw new IllegalArgumentException(
          "%s: column %s must be bytes or an array of numbers (got %s)"
              .formatted(NAME, image, value == null ? "null" : value.getClass().getSimpleName()));
    }
  }

  private float number(@Nullable Object value) {
    if (value instanceof Number number) {
      return number.floatValue();
    }
    throw new IllegalArgumentException(
        "%s: column %s must have arrays of numbers (got one with %s)"
            .formatted(NAME, image, value));
  }

  private void requireCount(int got) {
    Arguments.check(
        got == count,
        "%s: column %s must have %s values, %s (got %s)",
        NAME,
        image,
        count,
        Arrays.toString(inputShape),
        got);
  }

  @Override
  public int label(Row row) {
    Object value = label == null ? null : row.getAs(label);
    if (value == null) {
      return Dataset.UNLABELED;
    }
    if (value instanceof Number number
        && number.doubleValue() == number.intValue()
        && number.intValue() >= 0
        && number.intValue() < classes) {
      return number.intValue();
    }
    throw new IllegalArgumentException(
        "%s: column %s must have classes from 0 to %d, or null (got %s)"
            .formatted(NAME, label, classes - 1, value));
  }
}
