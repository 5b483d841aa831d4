package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.data.Augmentation;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;

final class AugmentationRecipeTest {
  @Test
  void read_nothing_isNone() {
    assertThat(read("{}")).isEqualTo(Augmentation.none());
    assertThat(read("{augmentation: {}}")).isEqualTo(Augmentation.none());
    assertThat(
            read(
                "augmentation: {crop: 0, flip: false, random_resized_crop: false,"
                    + " color_jitter: {}, cutout: 0}"))
        .isEqualTo(Augmentation.none());
  }

  @Test
  void read_cifar_cropsFlipsAndCutsOut() {
    assertThat(read("augmentation: {crop: 4, padding: reflect, flip: true, cutout: 8}"))
        .isEqualTo(Augmentation.none().withReflectedCrop(4).withFlip(0.5).withCutout(8));
    assertThat(read("augmentation: {crop: 4}")).isEqualTo(Augmentation.none().withCrop(4));
  }

  @Test
  void read_imagenet_resizesAndChangesColours() {
    Augmentation resized = Augmentation.none().withRandomResizedCrop(0.08, 1);
    assertThat(read("augmentation: {random_resized_crop: true}")).isEqualTo(resized);
    assertThat(read("augmentation: {random_resized_crop: {}}")).isEqualTo(resized);
    assertThat(
            read(
                """
                augmentation:
                  random_resized_crop: {scale: [0.25, 1], ratio: [0.5, 2]}
                  color_jitter: {brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1}
                """))
        .isEqualTo(
            Augmentation.none()
                .withRandomResizedCrop(0.25, 1, 0.5, 2)
                .withColorJitter(0.4, 0.3, 0.2, 0.1));
    assertThat(read("augmentation: {random_resized_crop: {scale: [0.25, 0.5]}}"))
        .isEqualTo(Augmentation.none().withRandomResizedCrop(0.25, 0.5));
    assertThat(read("augmentation: {color_jitter: {hue: 0.1}}"))
        .isEqualTo(Augmentation.none().withColorJitter(0, 0, 0, 0.1));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "random_resized_crop: 1 | random_resized_crop must be true or false (got 1)",
        "random_resized_crop: {scale: 1} | scale must be a list of at least one item (got 1)",
        "random_resized_crop: {scale: [1]} | scale must be two numbers (got 1)",
        "random_resized_crop: {scale: [0, 1]} | scale must be a range above 0 and up to 1"
            + " (got 0.0 to 1.0)",
        "random_resized_crop: {ratio: [2, 1]} | ratio must be a range of positive, finite numbers"
            + " (got 2.0 to 1.0)",
        "random_resized_crop: {size: 3} | key must be one of scale, ratio (got size)",
        "'crop: 4, random_resized_crop: true' | random_resized_crop must be used without crop"
            + " (got crop: 4)",
        "color_jitter: true | color_jitter must be a mapping (got true)",
        "color_jitter: {hue: 0.6} | hue must be between 0 and 0.5 (got 0.6)",
        "color_jitter: {brightness: -1} | brightness must be at least 0 and finite (got -1.0)",
        "color_jitter: {color: 1} | key must be one of brightness, contrast, saturation, hue"
            + " (got color)",
        "cutout: -1 | cutout must be an integer between 0 and 4096 (got -1)",
        "cutuot: 8 | key must be one of crop, padding, flip, random_resized_crop, color_jitter, cutout"
            + " (got cutuot, did you mean cutout?)"
      })
  void read_wrongOption_tellsFileLineAndRule(String options, String message) {
    assertThatThrownBy(() -> read("name: digits\naugmentation:\n  {" + options + "}"))
        .isInstanceOf(RecipeException.class)
        .hasMessage("a.yaml:3: " + message);
  }

  private static Augmentation read(String yaml) {
    return AugmentationRecipe.read(
        new Fields(
            "a.yaml",
            "data",
            new Compose(LoadSettings.builder().build()).composeString(yaml).orElseThrow()));
  }
}
