package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;

final class LineChartTest {
  private static final Pattern AXIS = Pattern.compile("text-anchor=\"end\">([^<]+)<");

  private static String svg(double... values) {
    return svg(List.of(new LineChart.Line("a<b", 3, boxed(values))));
  }

  private static String svg(List<LineChart.Line> lines) {
    HtmlWriter html = new HtmlWriter();
    new LineChart("Title", "unit", value -> TableReport.number("%.1f", value), lines).write(html);
    return html.html();
  }

  private static List<Double> boxed(double... values) {
    return DoubleStream.of(values).boxed().toList();
  }

  private static List<String> ticks(String svg) {
    return AXIS.matcher(svg).results().map(result -> result.group(1)).toList();
  }

  @Test
  void write_line_goesThroughItsValues() {
    String svg = svg(0, 10, 5);
    assertThat(ticks(svg)).containsExactly("0", "2", "4", "6", "8", "10");
    // from the left edge at the bottom to the top, and half down at the right edge
    assertThat(svg).contains("d=\"M58.0 256.0L263.0 14.0L468.0 135.0\"");
    assertThat(svg).contains("a&lt;b", "<b>5.0</b>", "line s3");
    assertThat(svg).contains("aria-label=\"Title, by epoch. a&lt;b: 5.0 after epoch 3.\"");
  }

  @Test
  void write_valueThatIsNotFinite_isAGap() {
    String svg = svg(0, Double.NaN, 10, 5, Double.POSITIVE_INFINITY);
    assertThat(svg.split("<path class=\"line s3\" d=\"M58.0 256.0M263.0 14.0L365.5 135.0\"", -1))
        .hasSize(2);
    assertThat(svg).contains("<b>5.0</b>").doesNotContain("NaN", "Infinity");
  }

  @Test
  void write_anyValues_areBetweenTheTicksOfARoundScale() {
    assertThat(ticks(svg(0.03, 0.11)))
        .containsExactly("0.02", "0.04", "0.06", "0.08", "0.10", "0.12");
    assertThat(ticks(svg(93.2, 99.9))).containsExactly("92", "94", "96", "98", "100");
    assertThat(ticks(svg(-3, -3))).containsExactly("-3", "-2");
    assertThat(ticks(svg(0, 0))).hasSizeBetween(1, 6);
    assertThat(ticks(svg(1e9, 3e9))).contains("1e+09", "3e+09");
  }

  @Test
  void write_valuesFarApart_areLogarithmic() {
    String svg = svg(0.5, 300);
    assertThat(ticks(svg)).containsExactly("0.1", "1", "10", "100", "1000");
    assertThat(svg).contains("unit, logarithmic");
    assertThat(svg(0.01, 1, 100)).contains("d=\"M58.0 256.0L263.0 135.0L468.0 14.0\"");
    assertThat(svg(0, 300)).doesNotContain("logarithmic");
  }

  @Test
  void write_manyEpochs_haveFewTicks() {
    List<Double> values = new ArrayList<>();
    for (int i = 0; i < 240; i++) {
      values.add((double) i);
    }
    String svg = svg(List.of(new LineChart.Line("a", 0, values)));
    assertThat(Pattern.compile("text-anchor=\"middle\">(\\d+)<").matcher(svg).results())
        .extracting(result -> result.group(1))
        .containsExactly("50", "100", "150", "200", "1");
  }

  @Test
  void isEmpty_nothingFinite_isTrue() {
    assertThat(
            new LineChart(
                    "t",
                    "u",
                    String::valueOf,
                    List.of(new LineChart.Line("a", 0, boxed(Double.NaN))))
                .isEmpty())
        .isTrue();
    assertThat(
            new LineChart("t", "u", String::valueOf, List.of(new LineChart.Line("a", 0, boxed(1))))
                .isEmpty())
        .isFalse();
  }
}
