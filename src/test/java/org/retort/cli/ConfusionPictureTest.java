package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.train.Metrics;

final class ConfusionPictureTest {
  private static final int BEIGE = 0xffe9e4dc;

  private static int blue(double fraction) {
    return HeatColors.LIGHT.of(fraction).getRGB();
  }

  @Test
  void bare_matrix_hasTheColoursOfItsRows() throws IOException {
    Metrics metrics = Metrics.of(new long[][] {{3, 1, 0}, {0, 4, 4}, {0, 0, 0}}, 12);
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(ConfusionPicture.bare(metrics)));
    int[][] expected = {
      {blue(0.75), blue(0.25), blue(0)}, {blue(0), blue(0.5), blue(0.5)}, {BEIGE, BEIGE, BEIGE}
    };
    int cell = image.getWidth() / 3;
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        assertThat(image.getRGB(x, y)).isEqualTo(expected[y / cell][x / cell]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 100, 1000})
  void of_anyNumberOfClasses_showsAllOfThemInAScreen(int classes) {
    BufferedImage image =
        ConfusionPicture.of("KD", Samples.classNames(classes), Samples.metrics(classes, 1));
    assertThat(image.getWidth()).isBetween(300, 1300);
    assertThat(image.getHeight()).isBetween(200, 1300);
    int diagonal = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        diagonal += (image.getRGB(x, y) & 0xff0000) < 0x200000 && image.getRGB(x, y) != 0 ? 1 : 0;
      }
    }
    assertThat(diagonal).isGreaterThanOrEqualTo(classes - 1);
  }

  @Test
  void of_namesAndNumbers_changeThePicture() {
    Metrics one = Metrics.of(new long[][] {{3, 1}, {1, 3}}, 8);
    BufferedImage numbers = ConfusionPicture.of("KD", List.of(), one);
    assertThat(Pictures.colours(numbers)).contains(blue(0.75) & 0xffffff, blue(0.25) & 0xffffff);
    BufferedImage names =
        ConfusionPicture.of("KD", List.of("a name that is long", "x".repeat(5000)), one);
    assertThat(names.getHeight()).isBetween(numbers.getHeight() + 50, numbers.getHeight() + 200);
  }

  @Test
  void percent_few_isNotNone() {
    Metrics metrics = Metrics.of(new long[][] {{999, 1}, {5, 5}}, 1010);
    assertThat(ConfusionPicture.percent(metrics, 0, 0)).isEqualTo(">99");
    assertThat(ConfusionPicture.percent(metrics, 0, 1)).isEqualTo("<1");
    assertThat(ConfusionPicture.percent(metrics, 1, 1)).isEqualTo("50");
  }
}
