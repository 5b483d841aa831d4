package org.retort.cli;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.retort.recipes.Method;

/** Lines over the epochs of all stages: means over the seeds. */
final class HistoryPlot {
  private HistoryPlot() {}

  /** Returns the plot of each method's accuracy. */
  static XYChart ofAccuracy(Results results) {
    XYChart chart = chart(results.settings().recipe().title(), "accuracy (% of the test images)");
    for (Method method : results.settings().methods()) {
      add(chart, method.title(), results.runs(method), Run.Epoch::accuracyPercent);
    }
    return chart;
  }

  /** Returns the plot of the losses of one method, before their weights. */
  static XYChart ofLosses(Results results, Method method) {
    XYChart chart = chart(method.title(), "loss, before its weight");
    List<Run> runs = results.runs(method);
    add(chart, "cross-entropy", runs, Run.Epoch::crossEntropy);
    for (String term : terms(runs.get(0))) {
      add(chart, term, runs, epoch -> epoch.terms().getOrDefault(term, Double.NaN));
    }
    return chart;
  }

  private static Set<String> terms(Run run) {
    Set<String> terms = new LinkedHashSet<>();
    run.history().forEach(epoch -> terms.addAll(epoch.terms().keySet()));
    return terms;
  }

  private static XYChart chart(String title, String axis) {
    XYChart chart =
        new XYChartBuilder()
            .width(PlotStyle.WIDTH)
            .height(PlotStyle.HEIGHT)
            .title(title)
            .xAxisTitle("epochs")
            .yAxisTitle(axis)
            .build();
    PlotStyle.apply(chart.getStyler());
    chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
    return chart;
  }

  /** Adds a line through the epochs that have the value. */
  private static void add(
      XYChart chart, String name, List<Run> runs, ToDoubleFunction<Run.Epoch> value) {
    List<Integer> epochs = new ArrayList<>();
    List<Double> means = new ArrayList<>();
    for (int i = 0; i < runs.get(0).history().size(); i++) {
      int index = i;
      double mean =
          runs.stream()
              .mapToDouble(run -> value.applyAsDouble(run.history().get(index)))
              .average()
              .orElseThrow();
      if (Double.isFinite(mean)) {
        epochs.add(index + 1);
        means.add(mean);
      }
    }
    if (!epochs.isEmpty()) {
      chart
          .addSeries(name, epochs, means)
          // a line through one point shows nothing
          .setMarker(epochs.size() > 1 ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
    }
  }
}
