package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.internal.Arguments;

/**
 * The format of a file of {@link StoredOutputs}: what it holds for each sample.
 *
 * @param samples number of rows of the data set
 * @param classes number of logits
 * @param taps the features; none if only logits are stored
 * @param dtype the dtype of logits and features
 * @param top the number of logits that are stored, the largest ones; 0 for all
 * @param note the caller's text
 */
public record StoredOutputsFormat(
    long samples, long classes, List<StoredTap> taps, Dtype dtype, long top, String note) {
  private static final String NAME = "StoredOutputsFormat";
  private static final long MOST_CLASSES = 1 << 24;

  /** How numbers are stored. */
  public enum Dtype {
    /** In four bytes. */
    FLOAT32(ScalarType.Float),
    /** In eight bytes. */
    FLOAT64(ScalarType.Double),
    /** In two bytes, up to 65,504. */
    FLOAT16(ScalarType.Half),
    /** In two bytes, with the range of {@link #FLOAT32} and fewer digits than {@link #FLOAT16}. */
    BFLOAT16(ScalarType.BFloat16);

    private final ScalarType type;

    Dtype(ScalarType type) {
      this.type = type;
    }

    /** Returns LibTorch's number for this dtype. */
    long number() {
      return type.value;
    }

    static Dtype of(long number) {
      for (Dtype dtype : values()) {
        if (dtype.number() == number) {
          return dtype;
        }
      }
      throw new AssertionError("no dtype has the number " + number);
    }
  }

  /**
   * Creates a format.
   *
   * @param samples at least 1
   * @param classes between 1 and 16,777,216
   * @param taps with distinct names
   * @param dtype how numbers are stored
   * @param top at least 0 and smaller than the number of classes
   * @param note at most 1 MiB in UTF-8
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public StoredOutputsFormat {
    Arguments.atLeast(samples, 1, NAME, "samples");
    Arguments.between(classes, 1, MOST_CLASSES, NAME, "classes");
    taps = Arguments.list(taps, NAME, "taps");
    long names = taps.stream().map(StoredTap::name).distinct().count();
    check(
        names == taps.size(),
        "%s: taps must have different names (got %s)",
        NAME,
        taps.stream().map(StoredTap::name).toList());
    Arguments.notNull(dtype, NAME, "dtype");
    check(
        top >= 0 && top < classes,
        "%s: top must be smaller than the number of classes, %s, or 0 for all (got %s)",
        NAME,
        classes,
        top);
    Arguments.notNull(note, NAME, "note");
  }

  /**
   * Creates a format with all logits in float32, without features.
   *
   * @param samples number of rows of the data set, at least 1
   * @param classes number of logits, between 1 and 16,777,216
   * @return the format
   * @throws IllegalArgumentException if a number is out of range
   */
  public static StoredOutputsFormat of(long samples, long classes) {
    return new StoredOutputsFormat(samples, classes, List.of(), Dtype.FLOAT32, 0, "");
  }

  /**
   * Adds a tap whose features are stored.
   *
   * @param name the tap's name; for outputs of a Retort network, one of its taps
   * @param shape the shape of one feature, without the batch, for example 64, 8, 8
   * @return a changed copy
   * @throws IllegalArgumentException if an argument is null or out of range, or the tap exists
   *     already
   */
  public StoredOutputsFormat withTap(String name, long... shape) {
    List<StoredTap> more =
        Stream.concat(taps.stream(), Stream.of(StoredTap.of(name, shape))).toList();
    return new StoredOutputsFormat(samples, classes, more, dtype, top, note);
  }

  /**
   * Sets how logits and features are stored; half precision takes half the space.
   *
   * @param dtype the dtype
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public StoredOutputsFormat withDtype(Dtype dtype) {
    return new StoredOutputsFormat(samples, classes, taps, dtype, top, note);
  }

  /**
   * Stores only the largest logits of each sample. All others are replaced by one number, {@code
   * log(mean(exp(z)))} over the logits z that are left out: in the softmax, the stored classes keep
   * their probabilities, and the rest is spread evenly over the others. At temperatures other than
   * 1, this is an approximation.
   *
   * @param top the number of logits, smaller than the number of classes; 0 for all
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public StoredOutputsFormat withTop(long top) {
    return new StoredOutputsFormat(samples, classes, taps, dtype, top, note);
  }

  /**
   * Adds the caller's text, for example which teacher was used.
   *
   * @param note at most 1 MiB in UTF-8
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public StoredOutputsFormat withNote(String note) {
    return new StoredOutputsFormat(samples, classes, taps, dtype, top, note);
  }
}
