package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.image.BufferedImage;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SamplesPictureTest {
  @Test
  void of_withoutNames_isThePicturesAlone() {
    BufferedImage wide = picture(48, 20);
    BufferedImage large = picture(97, 40);
    List<SamplesPicture.Row> rows =
        List.of(
            new SamplesPicture.Row("a", "2 pictures", List.of(wide, large)),
            new SamplesPicture.Row("b", "1 picture", List.of(wide)));
    BufferedImage drawn = SamplesPicture.of(rows, false);
    assertThat(drawn.getWidth()).isEqualTo(16 + 97 + 8 + 97 + 16);
    assertThat(drawn.getHeight()).isEqualTo(16 + 40 + 8 + 40 + 16);
    assertThat(Pictures.colours(drawn)).containsExactlyInAnyOrder(0xffffff, 0x336699);
    assertThat(drawn.getRGB(16 + 95, 16 + 39) & 0xffffff).isEqualTo(0x336699); // 96 × 40
    assertThat(drawn.getRGB(16 + 96, 16 + 39) & 0xffffff).isEqualTo(0xffffff);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"a", "ein sehr langer Name einer Klasse, der nicht passt", "Ελληνικά 日本語", "\n"})
  void of_anyName_leavesThePicturesWhereTheyAre(String name) {
    SamplesPicture.Row row = new SamplesPicture.Row(name, "1 picture", List.of(picture(96, 96)));
    BufferedImage drawn = SamplesPicture.of(List.of(row), true);
    assertThat(drawn.getWidth()).isBetween(16 + 16 + 96 + 16, 16 + 200 + 16 + 96 + 16);
    BufferedImage right = drawn.getSubimage(drawn.getWidth() - 16 - 96, 16, 96, 96);
    assertThat(Pictures.colours(right)).containsExactly(0x336699);
  }

  @Test
  void evenly_ofMany_areSpacedOverAll() {
    assertThat(SamplesPicture.evenly(3, 8)).containsExactly(0, 1, 2);
    assertThat(SamplesPicture.evenly(10, 4)).containsExactly(0, 2, 5, 7);
    assertThat(SamplesPicture.evenly(Integer.MAX_VALUE, 2)).containsExactly(0, 1073741823);
    assertThat(SamplesPicture.evenly(0, 2)).isEmpty();
  }

  @Test
  void shortText_isNeverWiderAndKeepsLettersWhole() {
    FontMetrics font =
        new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB)
            .createGraphics()
            .getFontMetrics(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    String dogs = "🐶".repeat(30);
    for (String text : List.of("dog", "a\tb\nc", "x".repeat(500), "日本語".repeat(20), dogs)) {
      String line = ShortText.inPixels(text, font, 60);
      assertThat(font.stringWidth(line)).isLessThanOrEqualTo(60);
      assertThat(line).matches("[^\\p{Cntrl}]*").matches("(?:\\P{Cs})*");
      assertThat(ShortText.columns(ShortText.inColumns(text, 11))).isLessThanOrEqualTo(11);
    }
    assertThat(ShortText.inColumns("a\tb\n c", 11)).isEqualTo("a b c");
    assertThat(ShortText.inColumns("elephants and dogs", 10)).isEqualTo("elephants…");
    assertThat(ShortText.inColumns("日本語日本語", 7)).isEqualTo("日本語…");
    assertThat(
            Stream.of("", "±ö×…", "日本", "한국", "カナ", "Ａ", "🐶", "e\u0301").map(ShortText::columns))
        .containsExactly(0, 4, 4, 4, 4, 2, 2, 1);
  }

  private static BufferedImage picture(int width, int height) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, 0x336699);
      }
    }
    return image;
  }
}
