package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SplitTest {
  private static final Dataset WHOLE = new NumberedDataset(70);

  @Test
  void of_aShareOfEveryClass_isForValidation() {
    Split split = Split.of(WHOLE, 0.3, 0);
    assertThat(counts(split.validation())).containsOnly(3);
    assertThat(counts(split.training())).containsOnly(7);
    int[] both =
        IntStream.concat(indices(split.training()), indices(split.validation())).sorted().toArray();
    assertThat(both).containsExactly(IntStream.range(0, 70).toArray());
    assertThat(indices(split.training()).toArray()).isSorted();
    assertThat(indices(split.validation()).toArray()).isSorted();
  }

  @Test
  void of_seed_decidesWhich() {
    int[] chosen = indices(Split.of(WHOLE, 0.3, 0).validation()).toArray();
    assertThat(indices(Split.of(WHOLE, 0.3, 0).validation()).toArray()).isEqualTo(chosen);
    assertThat(indices(Split.of(WHOLE, 0.3, 1).validation()).toArray()).isNotEqualTo(chosen);
    assertThat(Split.validation(labels(WHOLE), 7, 0.3, 0)).isEqualTo(chosen);
  }

  /** A training that is resumed in a later version must be measured on the same images. */
  @Test
  void validation_seed_isTheSameInEveryVersion() {
    assertThat(Split.validation(labels(WHOLE), 7, 0.2, 0))
        .containsExactly(1, 10, 12, 20, 21, 23, 25, 33, 35, 38, 43, 44, 62, 67);
  }

  @Test
  void validation_labelsOfOtherClasses_areLeftOut() {
    int[] labels = {0, 0, 1, 1, 2, 2, -1, -1};
    int[] chosen = Split.validation(labels, 2, 0.5, 0);
    assertThat(chosen).hasSize(2);
    assertThat(chosen[1]).isLessThan(4);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.001, 0.999})
  void validation_anyShare_leavesBothPartsSomethingOfEachClassOfTwo(double fraction) {
    int[] labels = {0, 0, 1, 1, 1, 2, -1, -1};
    int[] chosen = Split.validation(labels, 4, fraction, 5);
    int[] counts = new int[3];
    for (int position : chosen) {
      assertThat(labels[position]).isNotNegative();
      counts[labels[position]]++;
    }
    assertThat(counts).containsExactly(1, fraction < 0.5 ? 1 : 2, 0);
  }

  @Test
  void validation_classesWithoutASample_costNothing() {
    int[] labels = {0, 0, 7, 7, 9};
    assertThat(Split.validation(labels, Integer.MAX_VALUE, 0.5, 1))
        .isEqualTo(Split.validation(labels, 10, 0.5, 1))
        .hasSize(2);
  }

  @Test
  void of_wrongArguments_areNamed() {
    assertThatThrownBy(() -> Split.of(WHOLE, 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Split.of: fraction must be between 0 and 1 (got 1.0)");
    assertThatThrownBy(() -> Split.of(WHOLE, 0, 0))
        .hasMessage("Split.of: fraction must be between 0 and 1 (got 0.0)");
    assertThatThrownBy(() -> Split.validation(new int[] {0, 0}, 0, 0.5, 0))
        .hasMessage("Split.of: classes must be at least 1 (got 0)");
    assertThatThrownBy(() -> Split.of(WHOLE, Double.NaN, 0))
        .hasMessage("Split.of: fraction must be between 0 and 1 (got NaN)");
    assertThatThrownBy(() -> Split.of(WHOLE, 0.5, -1))
        .hasMessage("Split.of: seed must be at least 0 (got -1)");
    assertThatThrownBy(() -> Split.of(Subset.of(WHOLE, 0, 1), 0.5, 0))
        .hasMessage("Split.of: dataset must have a class of two images (got none)");
    assertThatThrownBy(() -> Split.of(null, 0.5, 0))
        .hasMessage("Split.of: dataset must be given (got null)");
  }

  private static IntStream indices(Subset subset) {
    return IntStream.range(0, subset.size()).map(subset::indexInWhole);
  }

  private static int[] labels(Dataset dataset) {
    return IntStream.range(0, dataset.size()).map(dataset::label).toArray();
  }

  private static int[] counts(Dataset dataset) {
    int[] counts = new int[NumberedDataset.CLASSES];
    Arrays.stream(labels(dataset)).forEach(label -> counts[label]++);
    return counts;
  }
}
