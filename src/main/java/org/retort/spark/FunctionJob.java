package org.retort.spark;

/**
 * A job of a function.
 *
 * @param reader what networks see of a row
 * @param training what each rank does
 */
record FunctionJob<T>(SampleReader<T> reader, Training training) implements SparkJob<T> {
  @Override
  public byte[] train(SparkRank rank) throws Exception {
    return training.train(rank);
  }
}
