package org.retort.benchmarks;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;
import org.retort.Retort;
import org.retort.data.Augmentation;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.data.IdxDataset;
import org.retort.data.Subset;
import org.retort.losses.KdLoss;
import org.retort.models.Convolution;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.train.Evaluation;
import org.retort.train.Sgd;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/**
 * Compares what students learn by {@link Convolution#DIRECT} and {@link Convolution#WINOGRAD}, and
 * prints it as a table: {@code ConvolutionReport [FOLDER]}. A ResNet-20 teaches a ResNet-8x4 for
 * 240 steps, with eight seeds, on the digits and, where a folder with its files is given, on
 * Fashion-MNIST. Fails never because of an accuracy.
 */
public final class ConvolutionReport {
  private static final int SEEDS = 8;
  private static final int STEPS = 240;
  private static final int BATCH = 32;

  private ConvolutionReport() {}

  /**
   * Runs it.
   *
   * @param args the folder of Fashion-MNIST, if wanted
   */
  public static void main(String[] args) {
    System.out.println(
        "| images | direct: mean accuracy, % | deviation | Winograd: mean accuracy, % | deviation "
            + "| per-seed difference: mean | largest absolute |");
    System.out.println("| --- | --- | --- | --- | --- | --- | --- |");
    Digits digits = Digits.load();
    report("digits", digits.train(), digits.test());
    if (args.length > 0) {
      report("Fashion-MNIST", fashion(args[0], "train"), firstOf(fashion(args[0], "t10k"), 2000));
    }
  }

  private static Dataset fashion(String folder, String part) {
    return IdxDataset.open(
        Path.of(folder, part + "-images-idx3-ubyte.gz"),
        Path.of(folder, part + "-labels-idx1-ubyte.gz"));
  }

  private static Dataset firstOf(Dataset data, int count) {
    return Subset.of(data, IntStream.range(0, count).toArray());
  }

  private static void report(String name, Dataset train, Dataset test) {
    double[] direct = new double[SEEDS];
    double[] winograd = new double[SEEDS];
    try (Network teacher = network("resnet20", train, 1)) {
      train(TrainingStep.builder(teacher), train, 1);
      for (int seed = 0; seed < SEEDS; seed++) {
        direct[seed] = accuracy(teacher, Convolution.DIRECT, train, test, seed);
        winograd[seed] = accuracy(teacher, Convolution.WINOGRAD, train, test, seed);
      }
    }
    double[] differences =
        IntStream.range(0, SEEDS).mapToDouble(i -> winograd[i] - direct[i]).toArray();
    System.out.printf(
        Locale.ROOT,
        "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |%n",
        name,
        mean(direct),
        deviation(direct),
        mean(winograd),
        deviation(winograd),
        mean(differences),
        Arrays.stream(differences).map(Math::abs).max().orElse(0));
  }

  private static double accuracy(
      Network teacher, Convolution algorithm, Dataset train, Dataset test, int seed) {
    try (Network student = network("resnet8x4", train, seed)) {
      train(
          TrainingStep.builder(student, teacher).add(0.9, KdLoss.of(4)).convolution(algorithm),
          train,
          seed);
      try (DatasetBatches batches = DatasetBatches.inOrder(test, 256)) {
        return 100 * Evaluation.accuracy(student, batches);
      }
    }
  }

  private static Network network(String name, Dataset data, int seed) {
    Retort.manualSeed(seed);
    return Networks.create(name, data.classes(), data.shape().channels());
  }

  private static void train(TrainingStepBuilder builder, Dataset data, int seed) {
    try (TrainingStep step =
            builder
                .inputShape(data.shape().channels(), data.shape().height(), data.shape().width())
                .optimizer(Sgd.of(LinearStep.LEARNING_RATE).withMomentum(0.9))
                .build();
        DatasetBatches batches =
            DatasetBatches.builder(data)
                .size(BATCH)
                .seed(seed)
                .augmentation(Augmentation.none())
                .build()) {
      DataReport.run(step, batches, step.newResult(), STEPS);
    }
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).average().orElse(Double.NaN);
  }

  /** The standard deviation of a sample. */
  private static double deviation(double[] values) {
    double mean = mean(values);
    double squares = Arrays.stream(values).map(value -> (value - mean) * (value - mean)).sum();
    return Math.sqrt(squares / (values.length - 1));
  }
}
