package org.retort.cli;

import java.awt.Color;
import java.util.Collections;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries;
import org.knowm.xchart.CategorySeries.CategorySeriesRenderStyle;
import org.knowm.xchart.style.CategoryStyler;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.retort.recipes.Method;

/**
 * The results as a picture: the accuracy of each method, with its deviation, against the teachers'.
 * Points, not bars, since the axis does not start at zero.
 */
final class PlotReport {
  private static final Color STUDENT = new Color(0x1f78b4);
  private static final Color TEACHER = new Color(0xd95f02);

  private PlotReport() {}

  /** Returns the plot. */
  static CategoryChart chart(Results results) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(PlotStyle.WIDTH)
            .height(PlotStyle.HEIGHT)
            .title(results.settings().recipe().title() + ": accuracy on test images")
            .xAxisTitle("how the student was trained")
            .yAxisTitle("accuracy (% of the test images)")
            .build();
    addSeries(chart, results);
    style(chart.getStyler());
    fitAxis(chart.getStyler(), results);
    return chart;
  }

  private static void addSeries(CategoryChart chart, Results results) {
    List<Method> methods = results.settings().methods();
    List<String> titles = methods.stream().map(Method::title).toList();
    results
        .teachers()
        .forEach(
            (name, teacher) -> {
              List<Double> level = Collections.nCopies(titles.size(), teacher.accuracyPercent());
              CategorySeries series = chart.addSeries(name, titles, level);
              series.setChartCategorySeriesRenderStyle(CategorySeriesRenderStyle.Line);
              // a line through one point shows nothing
              series.setMarker(titles.size() > 1 ? SeriesMarkers.NONE : SeriesMarkers.DIAMOND);
              series.setMarkerColor(TEACHER).setLineColor(TEACHER);
            });
    CategorySeries students =
        chart.addSeries(
            legend(results.settings().seeds()),
            titles,
            methods.stream().map(method -> results.accuracy(method).mean()).toList(),
            methods.stream().map(method -> spread(results.accuracy(method))).toList());
    students.setChartCategorySeriesRenderStyle(CategorySeriesRenderStyle.Scatter);
    students.setMarker(SeriesMarkers.CIRCLE).setMarkerColor(STUDENT);
  }

  private static String legend(int seeds) {
    return seeds == 1
        ? "student, one seed"
        : "student, mean ± standard deviation over " + seeds + " seeds";
  }

  private static double spread(Statistic statistic) {
    return statistic.deviation() == null ? 0 : statistic.deviation();
  }

  private static void style(CategoryStyler styler) {
    PlotStyle.apply(styler);
    styler.setLegendPosition(LegendPosition.OutsideS).setLegendLayout(LegendLayout.Horizontal);
    styler.setOverlapped(true);
    styler.setMarkerSize(14);
    styler.setErrorBarsColor(Color.BLACK);
    styler.setPlotGridVerticalLinesVisible(false);
    styler.setYAxisDecimalPattern("0.##");
  }

  /** Shows all error bars and the teachers, with a little room; nobody has more than 100 %. */
  private static void fitAxis(CategoryStyler styler, Results results) {
    DoubleSummaryStatistics shown = new DoubleSummaryStatistics();
    results.teachers().values().forEach(teacher -> shown.accept(teacher.accuracyPercent()));
    for (Method method : results.settings().methods()) {
      Statistic accuracy = results.accuracy(method);
      shown.accept(accuracy.mean() - spread(accuracy));
      shown.accept(accuracy.mean() + spread(accuracy));
    }
    styler.setYAxisMin(Math.max(0, Math.floor(shown.getMin()) - 1));
    styler.setYAxisMax(Math.min(100, Math.ceil(shown.getMax()) + 1));
  }
}
