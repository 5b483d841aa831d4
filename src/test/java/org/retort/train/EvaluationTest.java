package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageShape;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.Prediction;
import org.retort.models.Predictor;

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

  @Test
  void metrics_piecesOfAnySize_areThoseOfEachImage() {
    for (int classes : new int[] {4, 9}) {
      Dataset data = new Noise(index -> index % 3 == 0 ? Dataset.UNLABELED : index % 4);
      try (Network network = network(classes);
          Predictor predictor = Predictor.of(network)) {
        Metrics expected = oneByOne(predictor, data, classes);
        assertThat(expected.inTop5()).isGreaterThan(expected.correct());
        for (int size : new int[] {1, 7, 100, SIZE}) {
          try (DatasetBatches pieces = DatasetBatches.inOrder(data, size)) {
            assertThat(Evaluation.metrics(network, pieces)).isEqualTo(expected);
            assertThat(Evaluation.metrics(network, pieces).accuracy())
                .isEqualTo(Evaluation.accuracy(network, pieces));
          }
        }
      }
    }
  }

  private static Metrics oneByOne(Predictor predictor, Dataset data, int classes) {
    long[][] confusion = new long[classes][classes];
    long inTop5 = 0;
    for (int i = 0; i < data.size(); i++) {
      int label = data.label(i);
      if (label != Dataset.UNLABELED) {
        FloatBuffer image = FloatBuffer.allocate(9);
        data.read(i, image);
        List<Integer> top =
            predictor.top(5, image.array()).stream().map(Prediction::label).toList();
        confusion[label][top.get(0)]++;
        inTop5 += top.contains(label) ? 1 : 0;
      }
    }
    return Metrics.of(confusion, inTop5);
  }

  @Test
  void metrics_networkWithPublishedWeights_areOfTheCurrentOnes() {
    Dataset data = new Noise(index -> index % 4);
    try (Network network = network();
        Network other = Mlp.of(9, 8, 4);
        DatasetBatches batches = DatasetBatches.inOrder(data, 10)) {
      other.probe(1, 3, 3);
      network.publish();
      Metrics before = Evaluation.metrics(network, batches);
      copy(other, network);
      assertThat(Evaluation.metrics(network, batches))
          .isNotEqualTo(before)
          .isEqualTo(Evaluation.metrics(other, batches));
    }
  }

  /** Changes weights in place, as a training step does. */
  private static void copy(Network from, Network to) {
    Map<String, Tensor> source = from.stateDict();
    to.stateDict()
        .forEach(
            (name, tensor) -> {
              try (tensor;
                  Tensor value = source.get(name)) {
                tensor.copy_(value);
              }
            });
  }

  @Test
  void metrics_badArguments_throw() {
    try (Network network = network();
        Network unknown = Mlp.of(9, 8, 4);
        DatasetBatches unlabeled =
            DatasetBatches.inOrder(new Noise(index -> Dataset.UNLABELED), 10);
        DatasetBatches outOfRange = DatasetBatches.inOrder(new Noise(index -> index), 10)) {
      assertThatThrownBy(() -> Evaluation.metrics(network, unlabeled))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.metrics: batches must have an image with a label (got none)");
      assertThatThrownBy(() -> Evaluation.metrics(network, outOfRange))
          .isInstanceOf(RetortException.class)
          .hasMessage("count_predictions: labels must be between -1 and 3 (got 4 at 4)");
      assertThatThrownBy(() -> Evaluation.metrics(unknown, unlabeled))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("Evaluation.metrics: input shape must be known, call probe first (got none)");
      assertThatThrownBy(() -> Evaluation.metrics(null, unlabeled))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.metrics: network must be given (got null)");
      Batches none = null;
      assertThatThrownBy(() -> Evaluation.metrics(network, none))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("Evaluation.metrics: batches must be given (got null)");
    }
  }

  private static Network network() {
    return network(4);
  }

  private static Network network(int classes) {
    Retort.manualSeed(3);
    Network network = Mlp.of(9, 8, classes);
    network.probe(1, 3, 3);
    return network;
  }
}
