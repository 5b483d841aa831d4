package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class PlotReportTest {
  static Stream<Results> results() {
    return Stream.of(Samples.threeSeeds(), Samples.studentAlone(), Samples.kdOnly());
  }

  @ParameterizedTest
  @MethodSource("results")
  void of_results_isAPictureWithTheirColours(Results results) throws IOException {
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(PlotReport.of(results)));
    assertThat(image.getWidth()).isEqualTo(1000);
    assertThat(image.getHeight()).isEqualTo(600);
    Set<Integer> colours = new HashSet<>();
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        colours.add(image.getRGB(x, y) & 0xffffff);
      }
    }
    int student = 0x1f78b4;
    int teacher = 0xd95f02;
    assertThat(colours).contains(student);
    assertThat(colours.contains(teacher)).isEqualTo(results.teacher().isPresent());
  }
}
