package org.retort.data;

import java.util.Arrays;

/**
 * Linear resampling along one axis, with a filter as wide as the output pixels, so that every input
 * pixel counts. Weights are those of Pillow's {@code BILINEAR}, in fixed point, and the results are
 * bit-identical.
 */
final class Resampling {
  private static final int FRACTION_BITS = 22;
  private static final int HALF = 1 << FRACTION_BITS - 1;

  private final int[] firsts; // for each output value, the first input value
  private final int[] counts; // and the number of input values
  private final int[] weights; // `most` for each
  private final int most;

  private Resampling(int size, int most) {
    firsts = new int[size];
    counts = new int[size];
    weights = new int[size * most];
    this.most = most;
  }

  /** Returns a resampling of {@code from} values to {@code to}, of which some are wanted. */
  static Resampling of(int from, int to, int firstWanted, int wanted) {
    double scale = (double) from / to;
    double radius = Math.max(scale, 1);
    Resampling resampling = new Resampling(wanted, 2 * (int) Math.ceil(radius) + 1);
    for (int i = 0; i < wanted; i++) {
      resampling.place(i, (firstWanted + i + 0.5) * scale, radius, from);
    }
    return resampling;
  }

  private void place(int index, double centre, double radius, int size) {
    int first = Math.max(0, (int) (centre - radius + 0.5));
    int count = Math.min(size, (int) (centre + radius + 0.5)) - first;
    double[] parts = new double[count];
    double sum = 0;
    for (int i = 0; i < count; i++) {
      parts[i] = Math.max(0, 1 - Math.abs((first + i - centre + 0.5) * (1 / radius)));
      sum += parts[i];
    }
    for (int i = 0; i < count; i++) {
      weights[index * most + i] = (int) (parts[i] / sum * (1 << FRACTION_BITS) + 0.5);
    }
    firsts[index] = first;
    counts[index] = count;
  }

  /** Returns the first value that is read. */
  int first() {
    return firsts[0];
  }

  /** Returns one more than the last value that is read. */
  int end() {
    return firsts[firsts.length - 1] + counts[counts.length - 1];
  }

  /**
   * Resamples each row of bytes [rows, width, channels] from {@code firstRow} up to, but not
   * including, {@code endRow}; the result does not contain the other rows.
   */
  byte[] ofRows(byte[] samples, int width, int channels, int firstRow, int endRow) {
    byte[] made = new byte[(endRow - firstRow) * firsts.length * channels];
    for (int row = firstRow; row < endRow; row++) {
      int to = (row - firstRow) * firsts.length * channels;
      if (channels == 1) {
        resampleGrey(samples, row * width, made, to);
      } else {
        resampleColors(samples, row * width, made, to);
      }
    }
    return made;
  }

  private void resampleGrey(byte[] samples, int row, byte[] made, int to) {
    for (int i = 0; i < firsts.length; i++) {
      int from = row + firsts[i];
      int sum = HALF;
      for (int k = 0; k < counts[i]; k++) {
        sum += weights[i * most + k] * (samples[from + k] & 0xff);
      }
      made[to + i] = rounded(sum);
    }
  }

  private void resampleColors(byte[] samples, int row, byte[] made, int to) {
    for (int i = 0; i < firsts.length; i++) {
      int from = 3 * (row + firsts[i]);
      int red = HALF;
      int green = HALF;
      int blue = HALF;
      int end = i * most + counts[i];
      for (int k = i * most; k < end; k++) {
        int weight = weights[k];
        red += weight * (samples[from] & 0xff);
        green += weight * (samples[from + 1] & 0xff);
        blue += weight * (samples[from + 2] & 0xff);
        from += 3;
      }
      made[to + 3 * i] = rounded(red);
      made[to + 3 * i + 1] = rounded(green);
      made[to + 3 * i + 2] = rounded(blue);
    }
  }

  /** Resamples bytes [rows, rowSize], whose first row is {@link #first}, along the rows. */
  byte[] ofColumns(byte[] samples, int rowSize) {
    byte[] made = new byte[firsts.length * rowSize];
    int[] sums = new int[rowSize];
    for (int i = 0; i < firsts.length; i++) {
      Arrays.fill(sums, HALF);
      for (int k = 0; k < counts[i]; k++) {
        int from = (firsts[i] - first() + k) * rowSize;
        int weight = weights[i * most + k];
        for (int j = 0; j < rowSize; j++) {
          sums[j] += weight * (samples[from + j] & 0xff);
        }
      }
      for (int j = 0; j < rowSize; j++) {
        made[i * rowSize + j] = rounded(sums[j]);
      }
    }
    return made;
  }

  /** Weights sum to 1 except for rounding, so that no sum is far outside a byte's range. */
  private static byte rounded(int sum) {
    return (byte) Math.min(255, sum >> FRACTION_BITS);
  }
}
