package org.retort.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.stream.DoubleStream;

/**
 * Lines over epochs as SVG that takes its colours from the page, with an HTML legend below.
 *
 * @param title the title of the chart
 * @param unit the unit of the values, shown along their axis
 * @param format formats a value
 * @param lines the lines to draw
 */
record LineChart(String title, String unit, DoubleFunction<String> format, List<Line> lines) {
  /** The number of looks in {@code report.css}. */
  static final int LOOKS = 16;

  private static final int WIDTH = 480;
  private static final int HEIGHT = 300;
  private static final int LEFT = 58;
  private static final int RIGHT = 12;
  private static final int TOP = 14;
  private static final int BOTTOM = 44;

  /** Values this far apart are shown on a logarithmic axis. */
  private static final double FAR_APART = 40;

  /**
   * A line.
   *
   * @param name its name
   * @param look the index of its look, from 0; the same for the same thing in several charts
   * @param values one value per epoch; a value that is not finite leaves a gap
   */
  record Line(String name, int look, List<Double> values) {
    private Double last() {
      for (int i = values.size() - 1; i >= 0; i--) {
        if (Double.isFinite(values.get(i))) {
          return values.get(i);
        }
      }
      return null;
    }
  }

  LineChart {
    lines = lines.stream().filter(line -> line.last() != null).toList();
  }

  /** Returns whether there is nothing to show. */
  boolean isEmpty() {
    return lines.isEmpty();
  }

  /** Writes the chart as a figure. */
  void write(HtmlWriter html) {
    Axis axis = Axis.of(values().toArray());
    int epochs = lines.stream().mapToInt(line -> line.values().size()).max().orElseThrow();
    html.open("figure", "class", "chart").element("figcaption", title);
    html.open(
        "svg",
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img",
        "aria-label",
        description());
    writeAxes(html, axis, epochs);
    lines.forEach(line -> writeLine(html, line, axis, epochs));
    html.closeLine();
    writeLegend(html);
    html.closeLine();
  }

  private DoubleStream values() {
    return lines.stream()
        .flatMap(line -> line.values().stream())
        .mapToDouble(Double::doubleValue)
        .filter(Double::isFinite);
  }

  private String description() {
    StringBuilder text = new StringBuilder(title).append(", by epoch.");
    for (Line line : lines) {
      text.append(' ').append(line.name()).append(": ").append(format.apply(line.last()));
      text.append(" after epoch ").append(line.values().size()).append('.');
    }
    return text.toString();
  }

  private void writeAxes(HtmlWriter html, Axis axis, int epochs) {
    for (double tick : axis.ticks()) {
      String y = number(y(axis.place(tick)));
      html.open(
              "line",
              "class",
              "grid",
              "x1",
              String.valueOf(LEFT),
              "x2",
              String.valueOf(WIDTH - RIGHT),
              "y1",
              y,
              "y2",
              y)
          .close();
      label(html, LEFT - 7, y(axis.place(tick)) + 4, "end", axis.label(tick));
    }
    int step = Axis.epochStep(epochs);
    for (int epoch = step; epoch <= epochs; epoch += step) {
      label(html, x(epoch, epochs), HEIGHT - BOTTOM + 18, "middle", String.valueOf(epoch));
    }
    if (step > 1) {
      label(html, x(1, epochs), HEIGHT - BOTTOM + 18, "middle", "1");
    }
    label(html, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 6, "middle", "epoch");
    html.element(
        "text",
        axis.isLogarithmic() ? unit + ", logarithmic" : unit,
        "class",
        "axis",
        "text-anchor",
        "middle",
        "transform",
        "translate(13 %s) rotate(-90)".formatted(number(TOP + (HEIGHT - TOP - BOTTOM) / 2.0)));
  }

  private static void label(HtmlWriter html, double x, double y, String anchor, String text) {
    html.element(
        "text", text, "class", "axis", "x", number(x), "y", number(y), "text-anchor", anchor);
  }

  private static void writeLine(HtmlWriter html, Line line, Axis axis, int epochs) {
    String look = "s" + line.look() % LOOKS;
    StringBuilder path = new StringBuilder();
    double lastX = 0;
    double lastY = 0;
    boolean isGap = true;
    for (int i = 0; i < line.values().size(); i++) {
      double value = line.values().get(i);
      if (Double.isFinite(value)) {
        lastX = x(i + 1, epochs);
        lastY = y(axis.place(value));
        path.append(isGap ? 'M' : 'L').append(number(lastX)).append(' ').append(number(lastY));
      }
      isGap = !Double.isFinite(value);
    }
    html.open("path", "class", "line " + look, "d", path.toString()).close();
    html.open("circle", "class", "dot " + look, "cx", number(lastX), "cy", number(lastY), "r", "4")
        .close();
  }

  private void writeLegend(HtmlWriter html) {
    html.open("ul", "class", "legend");
    for (Line line : lines) {
      html.open("li")
          .open("svg", "viewBox", "0 0 30 10", "aria-hidden", "true")
          .open("path", "class", "line s" + line.look() % LOOKS, "d", "M1 5L29 5")
          .close()
          .close();
      html.text(line.name() + " ").element("b", format.apply(line.last())).close();
    }
    html.close();
  }

  private static double x(int epoch, int epochs) {
    double part = epochs == 1 ? 0.5 : (epoch - 1.0) / (epochs - 1);
    return LEFT + part * (WIDTH - LEFT - RIGHT);
  }

  private static double y(double place) {
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);
  }

  private static String number(double value) {
    return TableReport.number("%.1f", value);
  }

  /**
   * The mapping of values to heights.
   *
   * @param low the value at the bottom
   * @param high the value at the top
   * @param step the step between ticks, a factor on a logarithmic axis
   * @param isLogarithmic whether the axis is logarithmic
   */
  private record Axis(double low, double high, double step, boolean isLogarithmic) {
    private static final int TICKS = 5;

    static Axis of(double... values) {
      double min = DoubleStream.of(values).min().orElseThrow();
      double max = DoubleStream.of(values).max().orElseThrow();
      if (min > 0 && max / min > FAR_APART) {
        double low = Math.pow(10, Math.floor(Math.log10(min)));
        double high = Math.pow(10, Math.ceil(Math.log10(max)));
        return new Axis(low, high, 10, true);
      }
      double step = round((max - min) / TICKS);
      if (max == min) {
        step = round(Math.max(Math.abs(max), 1e-3) / TICKS);
      }
      double low = Math.floor(min / step) * step;
      double high = Math.ceil(max / step) * step;
      return new Axis(low, high > low ? high : low + step, step, false);
    }

    /** Returns 1, 2 or 5 times a power of ten that is at least the given number. */
    private static double round(double atLeast) {
      double power = Math.pow(10, Math.floor(Math.log10(atLeast)));
      for (int factor : new int[] {1, 2, 5}) {
        if (factor * power >= atLeast) {
          return factor * power;
        }
      }
      return 10 * power;
    }

    static int epochStep(int epochs) {
      return (int) Math.max(1, round(Math.max(1, epochs / 8.0)));
    }

    double place(double value) {
      return isLogarithmic
          ? Math.log10(value / low) / Math.log10(high / low)
          : (value - low) / (high - low);
    }

    List<Double> ticks() {
      List<Double> ticks = new ArrayList<>();
      for (int i = 0; ; i++) {
        double tick = isLogarithmic ? low * Math.pow(step, i) : low + i * step;
        if (tick > high + 1e-9 * (isLogarithmic ? high : step)) {
          return ticks;
        }
        ticks.add(tick);
      }
    }

    String label(double tick) {
      double distance = isLogarithmic ? tick : step;
      int digits = (int) Math.max(0, -Math.floor(Math.log10(distance) + 1e-9));
      return Math.abs(tick) >= 1e6 || digits > 6
          ? TableReport.number("%.0e", tick)
          : TableReport.number("%." + digits + "f", tick);
    }
  }
}
