package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.retort.data.ImageShape;

final class ReportSampleTest {
  private static BufferedImage picture(ImageShape shape, float... values) throws IOException {
    return ImageIO.read(
        new ByteArrayInputStream(ReportSample.picture(shape, values).orElseThrow()));
  }

  @Test
  void picture_grey_hasItsPixels() throws IOException {
    BufferedImage image = picture(new ImageShape(1, 2, 3), 0, 0.5f, 1, -1, 2, 0.2f);
    assertThat(image.getWidth()).isEqualTo(3);
    assertThat(image.getRaster().getSamples(0, 0, 3, 2, 0, (int[]) null))
        .containsExactly(0, 128, 255, 0, 255, 51);
  }

  @Test
  void picture_colour_hasItsPixels() throws IOException {
    BufferedImage image =
        picture(new ImageShape(3, 2, 2), 1, 0, 0, 0.2f, 0, 1, 0, 0.4f, 0, 0, 1, 0.6f);
    assertThat(image.getRGB(0, 0)).isEqualTo(0xffff0000);
    assertThat(image.getRGB(1, 0)).isEqualTo(0xff00ff00);
    assertThat(image.getRGB(0, 1)).isEqualTo(0xff0000ff);
    assertThat(image.getRGB(1, 1)).isEqualTo(0xff336699);
  }

  @Test
  void picture_large_isMadeSmall() throws IOException {
    float[] values = new float[3 * 300 * 200];
    Arrays.fill(values, 0.4f);
    BufferedImage image = picture(new ImageShape(3, 300, 200), values);
    assertThat(image.getHeight()).isEqualTo(96);
    assertThat(image.getWidth()).isEqualTo(64);
    assertThat(image.getRGB(30, 40)).isEqualTo(0xff666666);
  }

  @Test
  void picture_ofATable_isNone() throws IOException {
    assertThat(ReportSample.picture(new ImageShape(16, 1, 1), new float[16])).isEmpty();
    assertThat(ReportSample.picture(new ImageShape(1, 1, 1), new float[1])).isEmpty();
    assertThat(ReportSample.picture(new ImageShape(5, 8, 8), new float[320])).isEmpty();
  }

  @Test
  void of_sample_isAPictureOrItsValues() throws IOException {
    ReportSample row =
        ReportSample.of(
            "7",
            new ImageShape(9, 1, 1),
            new float[] {0.5f, -2, 0, 0, 0, 0, 0, 1e9f, 3},
            2,
            List.of());
    assertThat(row.png()).isEmpty();
    assertThat(row.text())
        .isEqualTo("0.5000, -2.000, 0.000, 0.000, 0.000, 0.000, 0.000, 1.000e+09, …");
    ReportSample picture =
        ReportSample.of("8", new ImageShape(1, 2, 2), new float[4], 2, List.of());
    assertThat(picture.png()).isPresent();
    assertThat(picture.text()).isEmpty();
  }

  @Test
  void choose_candidates_showsMistakesAndEachClass() throws IOException {
    List<ReportSample> candidates = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      // wrong: every other, so half of each class
      candidates.add(Samples.sample(i, i / 2 % 5, 10, 2));
    }
    List<ReportSample> chosen = ReportSample.choose(candidates, 10);
    assertThat(chosen)
        .extracting(ReportSample::label)
        .containsExactly(0, 0, 1, 1, 2, 2, 3, 3, 4, 4);
    assertThat(chosen).filteredOn(sample -> sample.isRight(1)).hasSize(5);
    assertThat(chosen).allMatch(sample -> sample.isRight(0));
  }

  @Test
  void choose_fewOfAKind_takesMoreOfTheOther() throws IOException {
    List<ReportSample> candidates = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      candidates.add(Samples.sample(i < 7 ? 0 : 1, i, 10, 1));
    }
    List<ReportSample> chosen = ReportSample.choose(candidates, 8);
    assertThat(chosen).hasSize(8).filteredOn(sample -> !sample.isRight(0)).hasSize(2);
    assertThat(ReportSample.choose(candidates, 100)).hasSize(9);
    assertThat(ReportSample.choose(candidates.subList(7, 9), 3)).hasSize(2);
    assertThat(ReportSample.choose(List.of(), 3)).isEmpty();
  }
}
