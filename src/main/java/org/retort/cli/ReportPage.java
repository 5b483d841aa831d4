package org.retort.cli;

import java.util.List;
import org.retort.train.Metrics;

/**
 * The content of a report's page: plain data, from which {@link HtmlReport} creates the page.
 *
 * @param results the results of the runs
 * @param experiment what was run, on which data, and where
 * @param classNames one per class, or none to use their numbers
 * @param networks the networks that were measured, teachers first; may be empty
 * @param samples samples of the test data, with predictions of the same networks; may be empty
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
   * @param name its name on the page, for example the method's title
   * @param note more about it, for example its seed; may be empty
   * @param metrics its metrics on the test data
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
