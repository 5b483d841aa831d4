package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Set;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Under {@code -Xcheck:jni} the JVM copies whole fonts for each text: a plot takes seconds. */
final class PlotReportTest {
  private static final int STUDENT = 0x1f78b4;
  private static final int TEACHER = 0xd95f02;

  static Stream<Results> results() {
    return Stream.of(Samples.threeSeeds(), Samples.studentAlone(), Samples.kdOnly());
  }

  @Tag("nightly")
  @ParameterizedTest
  @MethodSource("results")
  void chart_results_hasTheirColours(Results results) {
    Set<Integer> colours = Pictures.colours(PlotReport.chart(results));
    assertThat(colours).contains(STUDENT);
    assertThat(colours.contains(TEACHER)).isEqualTo(!results.teachers().isEmpty());
  }

  @Test
  void png_chart_isAPictureOfItsSize() throws IOException {
    byte[] png = PlotStyle.png(PlotReport.chart(Samples.kdOnly()));
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
    assertThat(image.getWidth()).isEqualTo(1000);
    assertThat(image.getHeight()).isEqualTo(600);
    assertThat(Pictures.colours(image)).contains(STUDENT, TEACHER);
  }
}
