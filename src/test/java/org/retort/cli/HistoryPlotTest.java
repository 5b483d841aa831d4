package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

final class HistoryPlotTest {
  @Test
  void ofAccuracy_twoMethods_hasMoreColoursThanOne() throws IOException {
    assertThat(colours(HistoryPlot.ofAccuracy(Samples.threeSeeds())))
        .hasSizeGreaterThan(colours(HistoryPlot.ofAccuracy(Samples.studentAlone())).size());
  }

  @Test
  void ofLosses_methodWithATerm_hasMoreColoursThanOneWithout() throws IOException {
    Results results = Samples.threeSeeds();
    assertThat(colours(HistoryPlot.ofLosses(results, Samples.method("kd"))))
        .hasSizeGreaterThan(
            colours(HistoryPlot.ofLosses(results, Samples.method("student"))).size());
  }

  private static Set<Integer> colours(byte[] png) throws IOException {
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
    assertThat(image.getWidth()).isEqualTo(1000);
    Set<Integer> colours = new HashSet<>();
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        colours.add(image.getRGB(x, y) & 0xffffff);
      }
    }
    return colours;
  }
}
