package org.retort.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.PriorityQueue;
import org.retort.train.Metrics;

/** The sections of a page that show how well networks recognise the classes. */
final class HtmlMetrics {
  /** Matrices with more classes are shown as pictures. */
  private static final int MOST_IN_TABLE = 20;

  private static final int MOST_MISTAKES = 5;
  private static final int TOP = 5;

  private record Mistake(int label, int predicted, long count) {}

  private final HtmlWriter html;
  private final List<ReportPage.Measured> networks;
  private final List<String> names;

  private HtmlMetrics(HtmlWriter html, ReportPage page) {
    this.html = html;
    networks = page.networks();
    names = ClassNames.of(page.classNames(), networks.get(0).metrics().classes());
  }

  /** Writes the sections; nothing if no network was measured. */
  static void write(HtmlWriter html, ReportPage page) {
    if (!page.networks().isEmpty()) {
      HtmlMetrics sections = new HtmlMetrics(html, page);
      sections.writeConfusion();
      sections.writeClasses();
    }
  }

  private void writeConfusion() {
    html.open("section", "id", "confusion", "aria-labelledby", "confusion-title");
    html.element("h2", "Confusion matrices", "id", "confusion-title");
    html.element(
        "p",
        "A row for each true class, a column for each predicted one, in percent of the row's "
            + "samples: the diagonal is what is right. Colours go by the square root.");
    html.open("div", "class", "matrices");
    networks.forEach(this::writeMatrix);
    html.close().closeLine();
  }

  private void writeMatrix(ReportPage.Measured network) {
    Metrics metrics = network.metrics();
    html.open("article", "class", "matrix").element("h3", network.name());
    html.open("p", "class", "note").text(network.note().isEmpty() ? "" : network.note() + " · ");
    html.text("accuracy " + percent(metrics.accuracy()));
    if (metrics.classes() > TOP) {
      html.text(", top 5 " + percent(metrics.top5Accuracy()));
    }
    html.text(", balanced " + percent(metrics.balancedAccuracy()));
    html.text("; " + HtmlReport.count(metrics.samples()) + " samples").close();
    if (metrics.classes() <= MOST_IN_TABLE) {
      writeTable(network);
    } else {
      writePicture(network);
    }
    writeMistakes(metrics);
    html.closeLine();
  }

  private void writeTable(ReportPage.Measured network) {
    Metrics metrics = network.metrics();
    html.open(
        "div",
        "class",
        "scroll",
        "tabindex",
        "0",
        "role",
        "region",
        "aria-label",
        "Confusion matrix of " + network.name());
    html.open("table", "class", "confusion");
    html.element("caption", "Confusion matrix of " + network.name(), "class", "unseen");
    html.open("thead").open("tr");
    html.element("th", "true ↓ predicted →", "scope", "col", "class", "corner");
    for (String name : names) {
      html.open("th", "scope", "col", "title", name).element("span", name).close();
    }
    html.close().close().open("tbody");
    for (int label = 0; label < names.size(); label++) {
      html.open("tr").element("th", names.get(label), "scope", "row", "title", names.get(label));
      for (int predicted = 0; predicted < names.size(); predicted++) {
        writeCell(metrics, label, predicted);
      }
      html.closeLine();
    }
    html.close().close().close();
  }

  private void writeCell(Metrics metrics, int label, int predicted) {
    long count = metrics.confusion(label, predicted);
    if (metrics.support(label) == 0) {
      html.element("td", "–", "class", "absent");
    } else if (count == 0) {
      html.open("td", "class", "h0").close();
    } else {
      html.element(
          "td",
          ConfusionPicture.percent(metrics, label, predicted),
          "class",
          HtmlReport.heat((double) count / metrics.support(label)),
          "title",
          "%s → %s: %s of %s samples"
              .formatted(
                  names.get(label),
                  names.get(predicted),
                  HtmlReport.count(count),
                  HtmlReport.count(metrics.support(label))));
    }
  }

  private void writePicture(ReportPage.Measured network) {
    try {
      html.open(
          "img",
          "class",
          "heat",
          "src",
          dataUri(ConfusionPicture.bare(network.metrics())),
          "alt",
          "Confusion matrix of %s for %s classes: true classes downwards, predicted ones to the right"
              .formatted(network.name(), HtmlReport.count(names.size())));
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** Returns a PNG as a data URI. */
  static String dataUri(byte[] png) {
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(png);
  }

  private void writeMistakes(Metrics metrics) {
    List<Mistake> mistakes = mistakes(metrics);
    if (mistakes.isEmpty()) {
      html.element("p", "No sample is confused.");
      return;
    }
    html.element("h4", "Most frequent confusions");
    html.open("ol", "class", "mistakes");
    for (Mistake mistake : mistakes) {
      html.open("li").element("b", names.get(mistake.label())).text(" → ");
      html.element("b", names.get(mistake.predicted()));
      html.text(
          ": %s of %s"
              .formatted(
                  HtmlReport.count(mistake.count()),
                  HtmlReport.count(metrics.support(mistake.label()))));
      html.close();
    }
    html.close();
  }

  /** Returns the most frequent mistakes; the first ones in case of ties. */
  private static List<Mistake> mistakes(Metrics metrics) {
    Comparator<Mistake> byCount =
        Comparator.comparingLong(Mistake::count)
            .thenComparing(Mistake::label, Comparator.reverseOrder())
            .thenComparing(Mistake::predicted, Comparator.reverseOrder());
    PriorityQueue<Mistake> most = new PriorityQueue<>(byCount);
    for (int label = 0; label < metrics.classes(); label++) {
      for (int predicted = 0; predicted < metrics.classes(); predicted++) {
        long count = metrics.confusion(label, predicted);
        if (count > 0 && label != predicted) {
          most.add(new Mistake(label, predicted, count));
          if (most.size() > MOST_MISTAKES) {
            most.remove();
          }
        }
      }
    }
    return most.stream().sorted(byCount.reversed()).toList();
  }

  private void writeClasses() {
    html.open("section", "id", "classes", "aria-labelledby", "classes-title");
    html.element("h2", "Classes", "id", "classes-title");
    html.element(
        "p",
        "Recall: how many percent of a class's samples each network gets right. The stronger the "
            + "colour, the more it gets wrong.");
    openTable("Recall of each class");
    List<String> header = new ArrayList<>(List.of("Class", "Samples"));
    networks.forEach(network -> header.add(network.name()));
    HtmlReport.header(html, header);
    html.open("tbody");
    for (int label = 0; label < names.size(); label++) {
      long support = networks.get(0).metrics().support(label);
      html.open("tr").element("th", names.get(label), "scope", "row");
      number(HtmlReport.count(support), support);
      for (ReportPage.Measured network : networks) {
        writeRecall(network.metrics().recall(label));
      }
      html.closeLine();
    }
    html.close().close().close();
    networks.forEach(this::writeDetails);
    html.closeLine();
  }

  private void openTable(String caption) {
    html.open("div", "class", "scroll", "tabindex", "0", "role", "region", "aria-label", caption);
    html.open("table", "class", "classes sortable");
    html.element("caption", caption, "class", "unseen");
  }

  private void writeRecall(OptionalDouble recall) {
    if (recall.isEmpty()) {
      none();
    } else {
      html.element(
          "td",
          hundredths(recall.getAsDouble()),
          "class",
          "number " + HtmlReport.heat(1 - recall.getAsDouble()),
          "data-value",
          String.valueOf(recall.getAsDouble()));
    }
  }

  private void writeDetails(ReportPage.Measured network) {
    Metrics metrics = network.metrics();
    html.open("details")
        .element("summary", "Precision, recall and F1 of " + network.name() + " (%)");
    openTable("Precision, recall and F1 of " + network.name() + ", in percent");
    HtmlReport.header(html, List.of("Class", "Samples", "Predicted", "Precision", "Recall", "F1"));
    html.open("tbody");
    for (int label = 0; label < names.size(); label++) {
      html.open("tr").element("th", names.get(label), "scope", "row");
      number(HtmlReport.count(metrics.support(label)), metrics.support(label));
      number(HtmlReport.count(metrics.predictions(label)), metrics.predictions(label));
      for (OptionalDouble figure :
          List.of(metrics.precision(label), metrics.recall(label), metrics.f1(label))) {
        figure.ifPresentOrElse(value -> number(hundredths(value), value), this::none);
      }
      html.closeLine();
    }
    html.close().close().close().closeLine();
  }

  private void number(String text, double value) {
    html.element("td", text, "class", "number", "data-value", String.valueOf(value));
  }

  private void none() {
    html.open("td", "class", "number").element("span", "–", "aria-label", "not defined").close();
  }

  private static String percent(double fraction) {
    return hundredths(fraction) + " %";
  }

  private static String hundredths(double fraction) {
    return TableReport.number("%.2f", 100 * fraction);
  }
}
