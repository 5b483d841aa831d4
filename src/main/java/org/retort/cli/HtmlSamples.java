package org.retort.cli;

import java.util.List;
import org.retort.models.Prediction;

/** The section of a page that shows samples, with what the networks predict side by side. */
final class HtmlSamples {
  private static final int MOST_PREDICTIONS = 3;

  private HtmlSamples() {}

  /** Writes the section; nothing if there are no samples. */
  static void write(HtmlWriter html, ReportPage page) {
    if (page.samples().isEmpty()) {
      return;
    }
    List<String> names =
        ClassNames.of(page.classNames(), page.networks().get(0).metrics().classes());
    html.open("section", "id", "samples", "aria-labelledby", "samples-title");
    html.element("h2", "Samples", "id", "samples-title");
    html.open("p").text("Test samples with each network's most probable classes: ");
    html.element("span", "✓ right", "class", "right").text(", ");
    html.element("span", "✗ wrong", "class", "wrong");
    html.text(". Chosen for the mistakes: among all test samples, they are rarer.").close();
    html.open("div", "class", "scroll", "tabindex", "0", "role", "region", "aria-label", "Samples");
    html.open("table", "class", "samples", "role", "table");
    html.element("caption", "Samples and predictions", "class", "unseen");
    html.open("thead", "role", "rowgroup").open("tr", "role", "row");
    column(html, "Sample");
    page.networks().forEach(network -> column(html, network.name()));
    html.close().close().open("tbody", "role", "rowgroup");
    for (ReportSample sample : page.samples()) {
      html.open("tr", "role", "row");
      writeSample(html, sample, names.get(sample.label()));
      for (int network = 0; network < page.networks().size(); network++) {
        writePredictions(html, page.networks().get(network).name(), sample, network, names);
      }
      html.closeLine();
    }
    html.close().close().close().closeLine();
  }

  private static void column(HtmlWriter html, String name) {
    html.element("th", name, "scope", "col", "role", "columnheader");
  }

  private static void writeSample(HtmlWriter html, ReportSample sample, String trueClass) {
    html.open("th", "scope", "row", "role", "rowheader").open("div", "class", "sample");
    sample
        .png()
        .ifPresent(
            png ->
                html.open(
                    "img",
                    "src",
                    HtmlMetrics.dataUri(png),
                    "alt",
                    sample.text().isEmpty()
                        ? "Sample " + sample.name() + " of class " + trueClass
                        : sample.text(),
                    "width",
                    "64",
                    "height",
                    "64"));
    html.open("div").element("b", trueClass).element("span", sample.name(), "class", "name");
    if (sample.png().isEmpty()) {
      html.element("span", sample.text(), "class", "values");
    }
    html.close().close().close();
  }

  private static void writePredictions(
      HtmlWriter html, String network, ReportSample sample, int index, List<String> names) {
    boolean isRight = sample.isRight(index);
    html.open("td", "role", "cell", "class", isRight ? "right" : "wrong", "data-network", network);
    html.element("span", isRight ? "✓" : "✗", "class", "sign", "aria-hidden", "true");
    html.element("span", isRight ? "right" : "wrong", "class", "unseen");
    html.open("ol");
    List<Prediction> predictions = sample.predictions().get(index);
    for (Prediction prediction : predictions.stream().limit(MOST_PREDICTIONS).toList()) {
      String percent = TableReport.number("%.1f", 100 * prediction.probability());
      html.open("li", "class", prediction.label() == sample.label() ? "true" : "other");
      html.element("span", names.get(prediction.label()), "class", "class").text(" ");
      html.element("span", percent + " %", "class", "percent");
      html.open("svg", "viewBox", "0 0 100 4", "preserveAspectRatio", "none", "aria-hidden", "true")
          .open("rect", "class", "track", "width", "100", "height", "4")
          .close()
          .open("rect", "class", "part", "width", percent, "height", "4")
          .close();
      html.close().close();
    }
    html.close().close();
  }
}
