package org.retort.cli;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.AxesChartStyler;

/** The style that all plots share. */
final class PlotStyle {
  static final int WIDTH = 1000;
  static final int HEIGHT = 600;

  private static final Font TITLE = new Font(Font.SANS_SERIF, Font.BOLD, 17);
  private static final Font PLAIN = new Font(Font.SANS_SERIF, Font.PLAIN, 14);

  private PlotStyle() {}

  /** Sets the background and fonts. */
  static void apply(AxesChartStyler styler) {
    styler
        .setChartBackgroundColor(Color.WHITE)
        .setChartTitleFont(TITLE)
        .setChartTitlePadding(12)
        .setLegendFont(PLAIN);
    styler.setAxisTitleFont(PLAIN);
    styler.setAxisTickLabelsFont(PLAIN);
  }

  /** Returns a plot as PNG. */
  static byte[] png(Chart<?, ?> chart) throws IOException {
    return BitmapEncoder.getBitmapBytes(chart, BitmapFormat.PNG);
  }
}
