package org.retort.benchmarks;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Warmup;

/** Steps as a Java program calls them, in a JVM with default settings. */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 1, time = 2)
public class StepBenchmark {
  /**
   * Retort's small step.
   *
   * @param step the step
   * @return its loss
   */
  @Benchmark
  public double linear(LinearStep step) {
    step.run();
    return step.result.total();
  }

  /**
   * The same while another thread produces garbage.
   *
   * @param step the step
   * @param garbage the other thread
   * @return its loss
   */
  @Benchmark
  public double linearBesideGarbage(LinearStep step, Garbage garbage) {
    return linear(step);
  }

  /**
   * The small step call by call.
   *
   * @param step the step
   */
  @Benchmark
  public void presets(PresetsStep step) {
    step.run();
  }

  /**
   * A step of several milliseconds.
   *
   * @param step the step
   * @return its loss
   */
  @Benchmark
  public double resnet(ResNetStep step) {
    step.run();
    return step.result.total();
  }
}
