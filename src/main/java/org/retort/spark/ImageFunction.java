package org.retort.spark;

import java.io.Serializable;
import java.util.Iterator;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** A prediction as a Spark SQL function. Each task has its own. */
final class ImageFunction implements UDF1<Object, Integer>, Serializable {
  private static final long serialVersionUID = 1L;

  private final SparkPrediction prediction;
  private final SampleReader<Object> reader;
  private transient @Nullable Single single;

  ImageFunction(SparkPrediction prediction, SampleReader<Object> reader) {
    this.prediction = prediction;
    this.reader = reader;
  }

  @Override
  public synchronized @Nullable Integer call(@Nullable Object image) {
    if (image == null) {
      return null;
    }
    if (single == null) {
      single = new Single(prediction, reader);
    }
    return single.best(image);
  }

  /** Predicts images one by one. */
  private static final class Single implements Iterator<Object> {
    private final PredictedRows<Object> rows;
    private @Nullable Object image;

    Single(SparkPrediction prediction, SampleReader<Object> reader) {
      rows = new PredictedRows<>(prediction.acquire(), reader, this, 1);
      TaskContext task = TaskContext.get(); // none where Spark evaluates constants
      if (task != null) {
        TaskCompletionListener release = ended -> prediction.release();
        task.addTaskCompletionListener(release);
      }
    }

    int best(Object next) {
      image = next;
      Tuple2<Object, float[]> predicted = rows.next();
      return PredictedRows.best(predicted._2());
    }

    @Override
    public boolean hasNext() {
      return image != null;
    }

    @Override
    public Object next() {
      Object next = image;
      image = null;
      return next;
    }
  }
}
