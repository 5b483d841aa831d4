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
 * Reads images, or rows of features, and their labels from two columns of a {@code Dataset<Row>}.
 *
 * <p>The column of images has, in the order [C, H, W],
 *
 * <ul>
 *   <li>{@code binary}: unsigned bytes, which become values from 0 to 1 by dividing by 255, or
 *   <li>an {@code array} of numbers, which are taken as they are.
 * </ul>
 *
 * The column of labels has numbers of classes, or null where the class is not known. Photos in
 * files are decoded before, for example by {@link org.retort.data.PictureReader}.
 */
public final class ImageColumns implements SampleReader<Row> {
  private static final long serialVersionUID = 1L;
  private static final String NAME = "ImageColumns";

  private final String image;
  private final @Nullable String label;
  private final int classes;
  private final long[] inputShape;
  private final int count; // of the values of an image

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
   * @param image the name of the column of images
   * @param inputShape channels, height and width, or the number of features
   * @return columns of one class, for prediction; see {@link #withLabel} for training
   * @throws IllegalArgumentException if the name is null or the shape is none of these
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
   * Adds the column of labels.
   *
   * @param label the name of the column
   * @param classes how many there are, at least 1
   * @return a changed copy
   * @throws IllegalArgumentException if the name is null or the number out of range
   */
  public ImageColumns withLabel(String label, int classes) {
    Arguments.notNull(label, NAME, "label");
    Arguments.atLeast(classes, 1, NAME, "classes");
    return new ImageColumns(image, label, classes, inputShape);
  }

  /**
   * The column of images.
   *
   * @return its name
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

  /** Returns a reader of images in the place of rows. */
  SampleReader<Object> values() {
    return new ImageValues(this);
  }

  /**
   * Reads what Spark makes of the column.
   *
   * @param columns whose it is
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

  /** Appends the values of an image, which is what Spark makes of the column. */
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
