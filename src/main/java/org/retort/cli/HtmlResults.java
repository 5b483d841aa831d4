package org.retort.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.DoubleSummaryStatistics;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.retort.recipes.Method;

/** The sections of a page that show the results: figures, table and curves. */
final class HtmlResults {
  private static final int PLOT_WIDTH = 160;
  private static final String CROSS_ENTROPY = "cross-entropy";

  private final HtmlWriter html;
  private final Results results;
  private final List<Method> methods;
  private final double low;
  private final double high;

  private HtmlResults(HtmlWriter html, Results results) {
    this.html = html;
    this.results = results;
    methods = results.settings().methods();
    DoubleSummaryStatistics shown = new DoubleSummaryStatistics();
    results.teachers().values().forEach(teacher -> shown.accept(teacher.accuracyPercent()));
    for (Method method : methods) {
      Statistic accuracy = results.accuracy(method);
      shown.accept(accuracy.mean() - spread(accuracy));
      shown.accept(accuracy.mean() + spread(accuracy));
    }
    low = Math.max(0, Math.floor(shown.getMin() - 0.5));
    high = Math.min(100, Math.ceil(shown.getMax() + 0.5));
  }

  /** Writes the sections. */
  static void write(HtmlWriter html, Results results) {
    HtmlResults sections = new HtmlResults(html, results);
    sections.writeResults();
    sections.writeCurves();
  }

  private void writeResults() {
    html.open("section", "id", "results", "aria-labelledby", "results-title");
    html.element("h2", "Results", "id", "results-title");
    writeFigures();
    html.element("p", explanation());
    html.open("div", "class", "scroll", "tabindex", "0", "role", "region", "aria-label", "Results");
    html.open("table", "class", "results sortable");
    html.element("caption", "Results of each method", "class", "unseen");
    HtmlReport.header(
        html,
        List.of(
            "Method",
            "Accuracy %",
            TableReport.number("%.0f", low) + TableReport.number(" to %.0f %%", high),
            "Gain over the student alone",
            "Seconds a seed",
            "Parameters"));
    html.open("tbody");
    results
        .teachers()
        .forEach(
            (name, run) ->
                writeRow(
                    "teacher",
                    name,
                    new Statistic(run.accuracyPercent(), null),
                    Optional.empty(),
                    run.seconds(),
                    run.parameters()));
    for (Method method : methods) {
      writeRow(
          method.equals(best()) ? "best" : "student",
          method.title(),
          results.accuracy(method),
          results.gain(method),
          results.seconds(method).mean(),
          results.runs(method).get(0).parameters());
    }
    html.close().closeLine().close();
    html.closeLine();
  }

  private String explanation() {
    int seeds = results.settings().seeds();
    return "Accuracy on the test samples. "
        + (seeds == 1
            ? "One seed."
            : "Students: mean ± standard deviation over " + seeds + " seeds; gains seed by seed.");
  }

  private Method best() {
    return methods.stream()
        .max(Comparator.comparingDouble(method -> results.accuracy(method).mean()))
        .orElseThrow();
  }

  private void writeFigures() {
    Method best = best();
    html.open("ul", "class", "figures");
    figure(percent(results.accuracy(best).mean()), "best student: " + best.title());
    results
        .gain(best)
        .ifPresent(
            gain ->
                figure(TableReport.number("%+.2f", gain.mean()), "points over the student alone"));
    results.teachers().forEach((name, run) -> figure(percent(run.accuracyPercent()), name));
    results.teachers().values().stream()
        .mapToLong(Run::parameters)
        .max()
        .ifPresent(this::writeSize);
    html.closeLine();
  }

  private void writeSize(long ofTeacher) {
    long ofStudent = results.runs(best()).get(0).parameters();
    if (ofStudent > 0 && ofStudent < ofTeacher) {
      figure(
          TableReport.number("%.1f×", (double) ofTeacher / ofStudent),
          "fewer parameters than the largest teacher");
    }
  }

  private void figure(String number, String name) {
    html.open("li").element("b", number).text(" ").element("span", name).close();
  }

  private static String percent(double percent) {
    return TableReport.number("%.2f %%", percent);
  }

  private void writeRow(
      String kind,
      String name,
      Statistic accuracy,
      Optional<Statistic> gain,
      double seconds,
      long parameters) {
    html.open("tr", "class", kind).open("th", "scope", "row").text(name);
    if (kind.equals("best")) {
      html.text(" ").element("span", "★ best student", "class", "tag");
    }
    html.close();
    cell(TableReport.withDeviation("%.2f", accuracy), accuracy.mean());
    html.open("td", "class", "plot");
    writePlot(kind, accuracy);
    html.close();
    gain.ifPresentOrElse(
        value -> cell(TableReport.withDeviation("%+.2f", value), value.mean()),
        () ->
            html.open("td", "class", "number").element("span", "–", "aria-label", "none").close());
    cell(TableReport.number("%.1f", seconds), seconds);
    cell(HtmlReport.count(parameters), parameters);
    html.closeLine();
  }

  private void cell(String text, double value) {
    html.element("td", text, "class", "number", "data-value", String.valueOf(value));
  }

  /** Writes mean and deviation as a dot on a line, which only repeats the numbers. */
  private void writePlot(String kind, Statistic accuracy) {
    html.open("svg", "viewBox", "0 0 " + PLOT_WIDTH + " 20", "aria-hidden", "true");
    line("grid", 4, PLOT_WIDTH - 4.0);
    if (accuracy.deviation() != null) {
      line(
          "whisker",
          x(accuracy.mean() - accuracy.deviation()),
          x(accuracy.mean() + accuracy.deviation()));
    }
    double x = x(accuracy.mean());
    if (kind.equals("teacher")) {
      html.open(
              "path",
              "class",
              "teacher-dot",
              "d",
              "M" + TableReport.number("%.1f", x) + " 4l6 6l-6 6l-6 -6z")
          .close();
    } else {
      html.open(
              "circle",
              "class",
              "student-dot",
              "cx",
              TableReport.number("%.1f", x),
              "cy",
              "10",
              "r",
              "5")
          .close();
    }
    html.close();
  }

  private void line(String look, double from, double to) {
    html.open(
            "line",
            "class",
            look,
            "x1",
            TableReport.number("%.1f", from),
            "x2",
            TableReport.number("%.1f", to),
            "y1",
            "10",
            "y2",
            "10")
        .close();
  }

  private double x(double percent) {
    double part = (percent - low) / (high - low);
    return 8 + Math.max(0, Math.min(1, part)) * (PLOT_WIDTH - 16);
  }

  private static double spread(Statistic statistic) {
    return statistic.deviation() == null ? 0 : statistic.deviation();
  }

  private void writeCurves() {
    html.open("section", "id", "curves", "aria-labelledby", "curves-title");
    html.element("h2", "Curves", "id", "curves-title");
    html.element(
        "p",
        "Means over the seeds, after each epoch of all stages. Losses are before their weights; "
            + "history.csv has every number.");
    html.open("div", "class", "charts");
    write(accuracies());
    List<String> looks = new ArrayList<>(terms());
    for (Method method : methods) {
      write(losses(method, looks));
    }
    html.close().closeLine();
  }

  private void write(LineChart chart) {
    if (!chart.isEmpty()) {
      chart.write(html);
    }
  }

  private LineChart accuracies() {
    List<LineChart.Line> lines = new ArrayList<>();
    results.teachers().forEach((name, run) -> lines.add(line(name, lines.size(), List.of(run))));
    for (Method method : methods) {
      lines.add(line(method.title(), lines.size(), results.runs(method)));
    }
    return new LineChart(
        "Accuracy on the test samples", "accuracy (%)", HtmlResults::percent, lines);
  }

  private static LineChart.Line line(String name, int look, List<Run> runs) {
    return new LineChart.Line(name, look, means(runs, Run.Epoch::accuracyPercent));
  }

  private LineChart losses(Method method, List<String> looks) {
    List<Run> runs = results.runs(method);
    List<LineChart.Line> lines = new ArrayList<>();
    for (String term : looks) {
      List<Double> values =
          means(
              runs,
              epoch ->
                  term.equals(CROSS_ENTROPY)
                      ? epoch.crossEntropy()
                      : epoch.terms().getOrDefault(term, Double.NaN));
      lines.add(new LineChart.Line(term, looks.indexOf(term), values));
    }
    return new LineChart(
        "Losses: " + method.title(), "loss", value -> TableReport.number("%.4g", value), lines);
  }

  /** Returns the names of all losses, which look the same in all charts. */
  private Set<String> terms() {
    Set<String> terms = new LinkedHashSet<>(List.of(CROSS_ENTROPY));
    methods.stream()
        .flatMap(method -> results.runs(method).stream())
        .flatMap(run -> run.history().stream())
        .forEach(epoch -> terms.addAll(epoch.terms().keySet()));
    return terms;
  }

  /** Returns the mean for each epoch that all runs have. */
  private static List<Double> means(List<Run> runs, ToDoubleFunction<Run.Epoch> value) {
    int epochs = runs.stream().mapToInt(run -> run.history().size()).min().orElse(0);
    List<Double> means = new ArrayList<>();
    for (int i = 0; i < epochs; i++) {
      int epoch = i;
      means.add(
          runs.stream()
              .mapToDouble(run -> value.applyAsDouble(run.history().get(epoch)))
              .average()
              .orElseThrow());
    }
    return means;
  }
}
