package org.retort.spark;

/**
 * A job given by a function.
 *
 * @param reader turns rows into samples
 * @param training what each rank does
 */
record FunctionJob<T>(SampleReader<T> reader, Training training) implements SparkJob<T> {
  @Override
  public byte[] train(SparkRank rank) throws Exception {
    return training.train(rank);
  }
}
