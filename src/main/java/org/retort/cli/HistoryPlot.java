package org.retort.cli;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.retort.recipes.Method;

/** Lines over the epochs of all stages: means over the seeds. */
final class HistoryPlot {
  private static final int WIDTH = 1000;
  private static final int HEIGHT = 600;
  private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 17);
  private static final Font PLAIN = new Font(Font.SANS_SERIF, Font.PLAIN, 14);

  private HistoryPlot() {}

  /** Returns each method's accuracy as PNG. */
  static byte[] ofAccuracy(Results results) throws IOException {
    XYChart chart = chart(results.settings().recipe().title(), "accuracy (% of the test images)");
    for (Method method : results.settings().methods()) {
      add(chart, method.title(), results.runs(method), Run.Epoch::accuracyPercent);
    }
    return png(chart);
  }

  /** Returns the losses of one method as PNG, before their weights. */
  static byte[] ofLosses(Results results, Method method) throws IOException {
    XYChart chart = chart(method.title(), "loss, before its weight");
    List<Run> runs = results.runs(method);
    add(chart, "cross-entropy", runs, Run.Epoch::crossEntropy);
    for (String term : terms(runs.get(0))) {
      add(chart, term, runs, epoch -> epoch.terms().getOrDefault(term, Double.NaN));
    }
    return png(chart);
  }

  private static Set<String> terms(Run run) {
    Set<String> terms = new LinkedHashSet<>();
    run.history().forEach(epoch -> terms.addAll(epoch.terms().keySet()));
    return terms;
  }

  private static XYChart chart(String title, String axis) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("epochs")
            .yAxisTitle(axis)
            .build();
    chart
        .getStyler()
        .setChartBackgroundColor(Color.WHITE)
        .setChartTitleFont(TITLE)
        .setChartTitlePadding(12)
        .setLegendFont(PLAIN)
        .setLegendPosition(LegendPosition.OutsideE);
    chart.getStyler().setAxisTitleFont(PLAIN);
    chart.getStyler().setAxisTickLabelsFont(PLAIN);
    return chart;
  }

  /** Adds a line through the epochs at which the value is there. */
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

  private static byte[] png(XYChart chart) throws IOException {
    return BitmapEncoder.getBitmapBytes(chart, BitmapFormat.PNG);
  }
}
