package org.retort.spark;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Queue;
import org.retort.models.Predictor;
import scala.Tuple2;

/** Rows with the probabilities that a model computes, batch by batch. */
final class PredictedRows<T> implements Iterator<Tuple2<T, float[]>> {
  /** The number of rows predicted at once. */
  static final int BATCH = 64;

  private final Predictor predictor;
  private final Samples<T> samples;
  private final Iterator<T> rows;
  private final int batchSize;
  private final FloatBuffer images;
  private final FloatBuffer probabilities;
  private final Queue<Tuple2<T, float[]>> ready = new ArrayDeque<>();

  PredictedRows(Predictor predictor, SampleReader<T> reader, Iterator<T> rows, int batchSize) {
    this.predictor = predictor;
    samples = new Samples<>(reader);
    this.rows = rows;
    this.batchSize = batchSize;
    images = allocate(Math.multiplyExact(batchSize, samples.values()));
    probabilities = allocate(Math.multiplyExact(batchSize, predictor.classes()));
  }

  private static FloatBuffer allocate(int count) {
    return ByteBuffer.allocateDirect(Math.multiplyExact(Float.BYTES, count))
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  @Override
  public boolean hasNext() {
    return !ready.isEmpty() || rows.hasNext();
  }

  @Override
  public Tuple2<T, float[]> next() {
    if (!hasNext()) {
      throw new NoSuchElementException("PredictedRows.next: rows must be left (got none)");
    }
    if (ready.isEmpty()) {
      predict();
    }
    return ready.remove();
  }

  private void predict() {
    List<T> batch = new ArrayList<>();
    images.clear();
    while (batch.size() < batchSize && rows.hasNext()) {
      T row = rows.next();
      samples.read(row, images);
      batch.add(row);
    }
    int classes = predictor.classes();
    probabilities.clear().limit(batch.size() * classes);
    predictor.probabilities(images.flip(), probabilities);
    for (int i = 0; i < batch.size(); i++) {
      float[] own = new float[classes];
      probabilities.get(i * classes, own);
      ready.add(new Tuple2<>(batch.get(i), own));
    }
  }

  /** Returns the most probable class. */
  static int best(float[] probabilities) {
    int best = 0;
    for (int i = 1; i < probabilities.length; i++) {
      if (probabilities[i] > probabilities[best]) {
        best = i;
      }
    }
    return best;
  }
}
