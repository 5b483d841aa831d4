package org.retort.recipes;

import java.util.Random;
import java.util.stream.IntStream;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.models.Network;

/** Noise in the shape of some data, for measurements that need no images. */
final class NoiseData implements ExperimentData {
  private final DataShape shape;

  NoiseData(DataShape shape) {
    this.shape = shape;
  }

  /** The same batch again and again. */
  private record Repeated(Batch batch, int stepsPerEpoch) implements Batches {
    @Override
    public void startEpoch(int epoch) {
      // every epoch is the same
    }

    @Override
    public Batch next() {
      return batch;
    }
  }

  @Override
  public DataShape shape() {
    return shape;
  }

  @Override
  public long[] labels() {
    return IntStream.range(0, shape.trainSize()).mapToLong(i -> i % shape.classes()).toArray();
  }

  @Override
  public int testSize() {
    return 0;
  }

  @Override
  public String credit() {
    return "noise";
  }

  @Override
  public Batches all(int batch, long seed) {
    return batches(batch, 0, seed);
  }

  @Override
  public Batches of(StudentRecipe student, boolean hasTeacher, long seed) {
    return batches(student.batch(), hasTeacher ? student.unlabeledBatch().orElse(0) : 0, seed);
  }

  private Batches batches(int labeled, int unlabeled, long seed) {
    Batch batch =
        Batch.allocate(labeled + unlabeled, shape.channels(), shape.height(), shape.width());
    Random random = new Random(seed);
    for (int i = 0; i < batch.images().capacity(); i++) {
      batch.images().put(i, (float) random.nextGaussian());
    }
    for (int i = 0; i < batch.size(); i++) {
      int index = random.nextInt(shape.trainSize());
      batch.indices().put(i, index);
      batch.labels().put(i, i < labeled ? index % shape.classes() : Batch.UNLABELED);
    }
    return new Repeated(batch, Math.max(1, shape.trainSize() / batch.size()));
  }

  @Override
  public double accuracy(Network network) {
    throw new UnsupportedOperationException("NoiseData.accuracy: data must be real (got noise)");
  }
}
