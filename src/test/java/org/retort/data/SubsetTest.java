package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class SubsetTest {
  private static final Dataset WHOLE = new NumberedDataset(70);

  @Test
  void of_indices_areTheImages() {
    Subset subset = Subset.of(WHOLE, 9, 3, 9);
    assertThat(subset.size()).isEqualTo(3);
    assertThat(subset.classes()).isEqualTo(NumberedDataset.CLASSES);
    assertThat(subset.shape()).isEqualTo(WHOLE.shape());
    assertThat(subset.inputShape()).containsExactly(2, 3, 4);
    assertThat(subset.label(0)).isEqualTo(2);
    assertThat(subset.label(1)).isEqualTo(3);
    assertThat(subset.indexInWhole(2)).isEqualTo(9);
    assertThat(Values.of(subset, 1)).isEqualTo(NumberedDataset.valuesOf(3));
    for (int index : new int[] {-1, 3}) {
      String rule = ": index must be between 0 and 2 (got %s)".formatted(index);
      assertIllegal(() -> subset.label(index), "Subset.label" + rule);
      assertIllegal(() -> subset.indexInWhole(index), "Subset.indexInWhole" + rule);
      assertIllegal(() -> subset.read(index, FloatBuffer.allocate(24)), "Subset.read" + rule);
    }
  }

  @Test
  void classNames_ofTheWhole_areThoseOfTheSubset() {
    Dataset named =
        new ForwardingDataset(WHOLE) {
          @Override
          public List<String> classNames() {
            return List.of("a", "b", "c", "d", "e", "f", "g");
          }
        };
    assertThat(Subset.of(named, 1).classNames()).isEqualTo(named.classNames());
  }

  @Test
  void inputShape_ofTheWhole_isThatOfTheSubset() {
    Dataset flat =
        new ForwardingDataset(WHOLE) {
          @Override
          public long[] inputShape() {
            return new long[] {24};
          }
        };
    assertThat(Subset.of(flat, 1).inputShape()).containsExactly(24);
  }

  @Test
  void perClass_seed_decidesWhich() {
    Subset subset = Subset.perClass(WHOLE, 4, 0);
    assertThat(subset.size()).isEqualTo(28);
    int[] counts = new int[NumberedDataset.CLASSES];
    IntStream.range(0, 28).forEach(i -> counts[subset.label(i)]++);
    assertThat(counts).containsOnly(4);
    assertThat(indices(subset)).isSorted().doesNotHaveDuplicates();
    assertThat(indices(Subset.perClass(WHOLE, 4, 0))).isEqualTo(indices(subset));
    assertThat(indices(Subset.perClass(WHOLE, 4, 1))).isNotEqualTo(indices(subset));
    assertThat(indices(Subset.perClass(WHOLE, 10, 1)))
        .containsExactly(IntStream.range(0, 70).toArray());
    assertThat(indices(Subset.perClass(WHOLE, 5, 0))).contains(indices(subset));
  }

  @Test
  void perClass_unlabeledImages_areNotChosen() {
    Dataset half =
        new ForwardingDataset(WHOLE) {
          @Override
          public int label(int index) {
            return index < 35 ? Dataset.UNLABELED : index % 7;
          }
        };
    assertThat(indices(Subset.perClass(half, 5, 3)))
        .containsExactly(IntStream.range(35, 70).toArray());
  }

  @Test
  void arguments_outOfRange_throw() {
    assertThatThrownBy(() -> Subset.of(WHOLE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("Subset.of: indices.length must be at least 1 (got 0)");
    assertThatThrownBy(() -> Subset.of(WHOLE, 1, 70))
        .hasMessage("Subset.of: index must be between 0 and 69 (got 70)");
    assertThatThrownBy(() -> Subset.perClass(WHOLE, 11, 0))
        .hasMessage("Subset.perClass: count must be between 1 and 10 (got 11)");
    assertThatThrownBy(() -> Subset.perClass(WHOLE, 1, -1))
        .hasMessage("Subset.perClass: seed must be at least 0 (got -1)");
    assertThatThrownBy(() -> Subset.of(WHOLE, 1).label(1))
        .hasMessage("Subset.label: index must be between 0 and 0 (got 1)");
  }

  private static int[] indices(Subset subset) {
    return IntStream.range(0, subset.size()).map(subset::indexInWhole).toArray();
  }
}
