package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.FileException;
import org.retort.internal.ShippedFiles;

final class DigitsTest {
  private static final Digits DIGITS = Digits.load();

  @Test
  void hash_zero_isPublishedValue() {
    assertThat(SplitMix64.hash(0)).isEqualTo(0xe220a8397b1dcdafL);
  }

  @Test
  void testIndices_always_areRecipes() {
    int[] indices = DIGITS.testIndices();
    assertThat(indices).hasSize(359).startsWith(3, 10, 18, 21, 33, 41).isSorted();
    assertThat(Arrays.stream(indices).sum()).isEqualTo(335_176);
    assertThat(Digits.TEST_SIZE).isEqualTo(359);
    assertThat(Digits.TRAIN_SIZE).isEqualTo(1438);
  }

  @Test
  void testIndices_changedByCaller_stayAsTheyAre() {
    DIGITS.testIndices()[0] = -1;
    assertThat(DIGITS.testIndices()[0]).isEqualTo(3);
  }

  @ParameterizedTest
  @CsvSource({"0, 43479", "1, 35675", "2, 33150"})
  void labeled_seed_isRecipes(long seed, int sum) {
    int[] positions = DIGITS.labeled(seed, 5);
    assertThat(positions).hasSize(50).isSorted().doesNotHaveDuplicates();
    assertThat(Arrays.stream(positions).sum()).isEqualTo(sum);
    for (int label = 0; label < Digits.CLASSES; label++) {
      int wanted = label;
      assertThat(Arrays.stream(positions).filter(p -> DIGITS.train().label(p) == wanted).count())
          .isEqualTo(5);
    }
  }

  @Test
  void labeled_wholeSmallestClass_isPossible() {
    assertThat(DIGITS.labeled(0, 139)).hasSize(1390);
  }

  @Test
  void test_always_holdsImagesOfTheFile() {
    Batch batch = Batch.of(DIGITS.test());
    assertThat(batch.size()).isEqualTo(359);
    assertThat(batch.images().remaining()).isEqualTo(359 * 64);
    assertThat(batch.labels().remaining()).isEqualTo(359);
    assertThat(batch.labels().get(0)).isEqualTo(3);
    assertThat(IntStream.range(0, 359).allMatch(i -> batch.indices().get(i) == i)).isTrue();
    // the line with number 3: 0,0,7,15,13,1,0,0, 0,8,13,6,15,4,0,0, ...
    float[] rows = new float[16];
    batch.images().get(rows);
    assertThat(rows)
        .containsExactly(
            0, 0, 7 / 16f, 15 / 16f, 13 / 16f, 1 / 16f, 0, 0, //
            0, 8 / 16f, 13 / 16f, 6 / 16f, 15 / 16f, 4 / 16f, 0, 0);
  }

  @Test
  void train_always_isTheFileWithoutTheTestImages() {
    assertThat(DIGITS.train().size()).isEqualTo(1438);
    assertThat(DIGITS.train().classes()).isEqualTo(10);
    assertThat(DIGITS.train().shape()).isEqualTo(new ImageShape(1, 8, 8));
    Set<Integer> test = IntStream.of(DIGITS.testIndices()).boxed().collect(Collectors.toSet());
    int[] whole = IntStream.range(0, 1797).filter(i -> !test.contains(i)).toArray();
    for (int i = 0; i < 1438; i++) {
      assertThat(((Subset) DIGITS.train()).indexInWhole(i)).isEqualTo(whole[i]);
    }
  }

  @ParameterizedTest
  @CsvSource({"0", "-1", "140"})
  void labeled_perClassOutOfRange_isRejected(int perClass) {
    assertThatThrownBy(() -> DIGITS.labeled(0, perClass))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Digits.labeled: perClass must be between 1 and 139 (got " + perClass + ")");
  }

  @Test
  void labeled_negativeSeed_isRejected() {
    assertThatThrownBy(() -> DIGITS.labeled(-1, 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Digits.labeled: seed must be at least 0 (got -1)");
  }

  @Test
  void train_positionOutOfRange_isRejected() {
    assertThatThrownBy(() -> DIGITS.train().label(1438))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Subset.label: index must be between 0 and 1437 (got 1438)");
  }

  @Test
  void load_noFile_saysSo() {
    assertThatThrownBy(() -> Digits.load(() -> ShippedFiles.open("digits.csv")))
        .isInstanceOf(FileException.class)
        .hasMessage(
            "Digits.load: class path must have retort's jar with the classifier cli, which contains"
                + " digits.csv (got none)");
  }

  @Test
  void load_damagedFile_saysSo() throws IOException {
    byte[] content;
    try (InputStream resource = ShippedFiles.open("digits.csv.gz")) {
      content = resource.readAllBytes();
    }
    content[content.length / 2] ^= 1;
    assertThatThrownBy(() -> Digits.load(() -> new ByteArrayInputStream(content)))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith("Digits.load: digits.csv.gz must have the SHA-256 09f66e6d")
        .hasMessageEndingWith("): it is damaged")
        .hasMessageNotContaining("\n");
  }
}
