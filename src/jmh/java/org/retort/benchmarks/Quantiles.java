package org.retort.benchmarks;

import com.google.gson.JsonObject;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.openjdk.jmh.util.Statistics;

/**
 * Quantiles of a step's time, in microseconds.
 *
 * @param p50 the median
 * @param p99 what 99 of 100 steps do not exceed
 * @param p999 what 999 of 1000 steps do not exceed
 */
record Quantiles(double p50, double p99, double p999) {
  private static final double NANOSECONDS = 1e3;

  static Quantiles of(Statistics times) {
    return new Quantiles(
        times.getPercentile(50) / NANOSECONDS,
        times.getPercentile(99) / NANOSECONDS,
        times.getPercentile(99.9) / NANOSECONDS);
  }

  static Quantiles of(JsonObject times) {
    return new Quantiles(
        times.get("p50").getAsDouble() / NANOSECONDS,
        times.get("p99").getAsDouble() / NANOSECONDS,
        times.get("p99.9").getAsDouble() / NANOSECONDS);
  }

  /** The median of each quantile over several rounds. */
  static Quantiles median(List<Quantiles> rounds) {
    return new Quantiles(
        median(rounds, Quantiles::p50),
        median(rounds, Quantiles::p99),
        median(rounds, Quantiles::p999));
  }

  private static double median(List<Quantiles> rounds, ToDoubleFunction<Quantiles> quantile) {
    return rounds.stream().mapToDouble(quantile).sorted().toArray()[rounds.size() / 2];
  }

  double spread() {
    return p99 / p50;
  }
}
