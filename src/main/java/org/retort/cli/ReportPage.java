package org.retort.cli;

import java.util.List;
import org.retort.train.Metrics;

/**
 * What a report's page tells: plain data, from which {@link HtmlReport} makes the page.
 *
 * @param results of the runs
 * @param experiment what was run, on which data, and where
 * @param classNames one for each class, or none to call them by their numbers
 * @param networks those that were measured, the teachers first; may be none
 * @param samples of the test data, with predictions of the same networks; may be none
 */
record ReportPage(
    Results results,
    ExperimentReport experiment,
    List<String> classNames,
    List<Measured> networks,
    List<ReportSample> samples) {
  /**
   * A network that was measured.
   *
   * @param name what the page calls it, for example the method's title
   * @param note more about it, for example its seed; may be empty
   * @param metrics on the test data
   */
  record Measured(String name, String note, Metrics metrics) {}

  ReportPage {
    for (ReportSample sample : samples) {
      if (sample.predictions().size() != networks.size()) {
        throw new IllegalArgumentException(
            "ReportPage: predictions must be of each of the %d networks (got %d)"
                .formatted(networks.size(), sample.predictions().size()));
      }
    }
  }
}
