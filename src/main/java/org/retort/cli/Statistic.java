package org.retort.cli;

/**
 * The mean of a few values and their spread.
 *
 * @param mean their mean
 * @param deviation their standard deviation (n − 1), null if there is only one
 */
record Statistic(double mean, Double deviation) {
  /** Summarises at least one value. */
  static Statistic of(double... values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    double mean = sum / values.length;
    double squares = 0;
    for (double value : values) {
      squares += (value - mean) * (value - mean);
    }
    return new Statistic(
        mean, values.length > 1 ? Double.valueOf(Math.sqrt(squares / (values.length - 1))) : null);
  }
}
