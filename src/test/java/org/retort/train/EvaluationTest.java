package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageShape;
import org.retort.models.Mlp;
import org.retort.models.Network;

final class EvaluationTest {
  private static final int SIZE = 101;

  /** Random images of 4 classes. */
  private record Noise(IntUnaryOperator labels) implements Dataset {
    @Override
    public int size() {
      return SIZE;
    }

    @Override
    public int classes() {
      return 4;
    }

    @Override
    public ImageShape shape() {
      return new ImageShape(1, 3, 3);
    }

    @Override
    public int label(int index) {
      return labels.applyAsInt(index);
    }

    @Override
    public void read(int index, FloatBuffer image) {
      Random random = new Random(index);
      for (int i = 0; i < 9; i++) {
        image.put(random.nextFloat());
      }
    }
  }

  @Test
  void accuracy_piecesOfAnySize_isThatOfAllAtOnce() {
    for (IntUnaryOperator labels :
        new IntUnaryOperator[] {
          index -> index % 4,
          index -> index % 3 == 0 ? Dataset.UNLABELED : index % 4,
          index -> index < 60 ? Dataset.UNLABELED : index % 4
        }) {
      Dataset data = new Noise(labels);
      try (Network network = network();
          DatasetBatches whole = DatasetBatches.inOrder(data, SIZE)) {
        whole.startEpoch(0);
        Batch all = whole.next();
        double expected = network.accuracy(all.images(), all.labels());
        assertThat(expected).isStrictlyBetween(0.0, 1.0);
        for (int size : new int[] {1, 7, 50, 100, SIZE}) {
          try (DatasetBatches pieces = DatasetBatches.inOrder(data, size)) {
            assertThat(Evaluation.accuracy(network, pieces)).isEqualTo(expected);
            assertThat(Evaluation.accuracy(network, pieces)).isEqualTo(expected);
          }
        }
      }
    }
  }

  @Test
  void accuracy_badArguments_throw() {
    try (Network network = network();
        DatasetBatches unlabeled =
            DatasetBatches.inOrder(new Noise(index -> Dataset.UNLABELED), 10)) {
      assertThatThrownBy(() -> Evaluation.accuracy(network, unlabeled))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.accuracy: batches must have an image with a label (got none)");
      assertThatThrownBy(() -> Evaluation.accuracy(null, unlabeled))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.accuracy: network must be given (got null)");
      Batches none = null;
      assertThatThrownBy(() -> Evaluation.accuracy(network, none))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.accuracy: batches must be given (got null)");
    }
  }

  private static Network network() {
    Retort.manualSeed(3);
    Network network = Mlp.of(9, 8, 4);
    network.probe(1, 3, 3);
    return network;
  }
}
