package org.retort.benchmarks;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Measures what a training step costs from Java and prints it as the tables of {@code
 * docs/performance.md}: {@code LatencyReport PROGRAM [ROUNDS]}, where the program is {@code
 * retort_small_step_benchmark}. In every round C++ and Java take turns, so that what else happens
 * on the machine meets both; the tables hold the medians of the rounds. Fails if a result is wrong,
 * never because of a time.
 */
public final class LatencyReport {
  private static final int STEPS = 10_000;
  private static final int LINEAR_STEPS_OF_A_ROUND = 20_000;
  private static final int RESNET_STEPS = 50;

  private final NativeSteps nativeSteps;
  private final Map<Case, List<Quantiles>> rounds = new EnumMap<>(Case.class);

  private LatencyReport(String program) {
    nativeSteps = new NativeSteps(program);
  }

  /**
   * Runs it.
   *
   * @param args the program of the steps in C++ and, if wanted, the number of rounds
   * @throws Exception if a step fails or computes something wrong
   */
  public static void main(String[] args) throws Exception {
    checkSameWeights();
    LatencyReport report = new LatencyReport(args[0]);
    int count = args.length > 1 ? Integer.parseInt(args[1]) : 3;
    for (int i = 1; i <= count; i++) {
      print("round %d of %d", i, count);
      report.round();
    }
    report.print();
  }

  /** Requires Retort's step and that of the presets to train the same weights. */
  private static void checkSameWeights() {
    PresetsStep presets = new PresetsStep();
    LinearStep step = new LinearStep();
    try (Tensor weight = step.student.stateDict().get("0.weight");
        Tensor bias = step.student.stateDict().get("0.bias")) {
      weight.copy_(presets.linear.weight().detach());
      bias.copy_(presets.linear.bias().detach());
      for (int i = 0; i < 100; i++) {
        step.run();
        presets.run();
      }
      if (!weight.allclose(presets.linear.weight(), 1e-4, 1e-6, false)
          || !bias.allclose(presets.linear.bias(), 1e-4, 1e-6, false)) {
        throw new IllegalStateException("both steps must train the same weights (got others)");
      }
    } finally {
      step.close();
    }
  }

  private void round() throws IOException, InterruptedException, RunnerException {
    JsonObject linear = nativeSteps.run("linear", LINEAR_STEPS_OF_A_ROUND);
    add(Case.NATIVE, Quantiles.of(linear.getAsJsonObject("retort")));
    add(Case.BARE, Quantiles.of(linear.getAsJsonObject("libtorch")));
    run(Case.JAVA, "linear");
    run(Case.BESIDE_GARBAGE, "linearBesideGarbage");
    run(Case.PRESETS, "presets");
    run(Case.JAVA_TWICE, "linear");
    run(Case.PRESETS_TWICE, "presets");
    JsonObject resnet = nativeSteps.run("resnet", RESNET_STEPS);
    add(Case.NATIVE_RESNET, Quantiles.of(resnet.getAsJsonObject("retort")));
    run(Case.JAVA_RESNET, "resnet");
  }

  private void run(Case one, String benchmark) throws RunnerException {
    add(
        one,
        Quantiles.of(
            run(benchmark, one.threads, Mode.SampleTime).getPrimaryResult().getStatistics()));
  }

  private static RunResult run(String benchmark, int threads, Mode mode) throws RunnerException {
    return new Runner(
            new OptionsBuilder()
                .include(StepBenchmark.class.getName() + '.' + benchmark + '$')
                .mode(mode)
                .threads(threads)
                .addProfiler(GCProfiler.class)
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT)
                .build())
        .runSingle();
  }

  /** The bytes that a step allocates on the heap. The buffers of sampled times would count, too. */
  private static double allocatedBytes() throws RunnerException {
    RunResult result = run("linear", 1, Mode.AverageTime);
    return result.getSecondaryResults().get("gc.alloc.rate.norm").getScore();
  }

  private void add(Case one, Quantiles quantiles) {
    rounds.computeIfAbsent(one, unused -> new ArrayList<>()).add(quantiles);
    print("%s, training threads: %d, p50: %.1f µs", one.title, one.threads, quantiles.p50());
  }

  private void print() throws RunnerException {
    Map<Case, Quantiles> medians = new EnumMap<>(Case.class);
    rounds.forEach((one, quantiles) -> medians.put(one, Quantiles.median(quantiles)));
    print("| step | training threads | p50, µs | p99, µs | p99.9, µs | p99 / p50 |");
    print("| --- | --- | --- | --- | --- | --- |");
    medians.forEach(
        (one, times) ->
            print(
                "| %s | %d | %.1f | %.1f | %.1f | %.2f |",
                one.title, one.threads, times.p50(), times.p99(), times.p999(), times.spread()));
    print("");
    printGoals(medians);
  }

  private void printGoals(Map<Case, Quantiles> medians) throws RunnerException {
    SteadyState small;
    SteadyState large;
    LinearStep linear = new LinearStep();
    ResNetStep resnet = new ResNetStep();
    try {
      small = SteadyState.of(linear::run, linear.result, STEPS);
      large = SteadyState.of(resnet::run, resnet.result, RESNET_STEPS);
    } finally {
      linear.close();
      resnet.close();
    }
    Quantiles bare = medians.get(Case.BARE);
    Quantiles java = medians.get(Case.JAVA);
    print("| what | goal | measured |");
    print("| --- | --- | --- |");
    print("| time outside native code, small step | at most 5 µs | %.2f µs |", small.share() / 1e3);
    print(
        "| p50 from Java minus p50 from C++, small step | at most 5 µs | %.2f µs |",
        java.p50() - medians.get(Case.NATIVE).p50());
    print(
        "| time outside native code, ResNet-8 (a step of %.1f ms) | at most 1 %% | %.3f %% |",
        large.step() / 1e6, 100.0 * large.share() / large.step());
    print("| heap allocated by a step, by JMH | 0 bytes | %.3f bytes |", allocatedBytes());
    print(
        "| heap, pointers and memory of the process after %d steps | unchanged | %d bytes, %d, %d"
            + " KB |",
        STEPS, small.heapBytes(), small.pointers(), small.residentBytes() / 1024);
    print(
        "| p99 / p50 from Java against the C++ step's | at most 1.1 | %.2f |",
        java.spread() / medians.get(Case.NATIVE).spread());
    print(
        "| the same beside garbage | at most 1.1 | %.2f |",
        medians.get(Case.BESIDE_GARBAGE).spread() / medians.get(Case.NATIVE).spread());
    print(
        "| bare loop in C++ against Retort's step from Java, p50 | | %.2f |",
        bare.p50() / java.p50());
    print(
        "| call by call against Retort's step, p50 | at least 1.25 | %.2f |",
        medians.get(Case.PRESETS).p50() / java.p50());
    print(
        "| the same with two training threads, p99.9 | at least 3 | %.2f |",
        medians.get(Case.PRESETS_TWICE).p999() / medians.get(Case.JAVA_TWICE).p999());
  }

  private static void print(String format, Object... values) {
    System.out.println(String.format(Locale.ROOT, format, values));
  }
}
