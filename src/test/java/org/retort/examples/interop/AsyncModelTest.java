package org.retort.examples.interop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.NonFiniteException;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.Prediction;
import org.retort.testing.ChildJvm;
import org.retort.testing.Jdks;
import org.retort.train.Sgd;
import org.retort.train.StepInput;
import org.retort.train.TrainingStep;

final class AsyncModelTest {
  private static final float[] IMAGE = {1, 0, -1, 2};

  @TempDir private Path folder;

  @Test
  void learn_andPredict_completeTheirFutures() {
    try (Network student = Mlp.of(4, 3);
        TrainingStep step = step(student)) {
      CompletableFuture<List<Prediction>> prediction;
      try (AsyncModel model = new AsyncModel(step, 2)) {
        List<CompletableFuture<Double>> losses =
            IntStream.range(0, 10).mapToObj(i -> model.learn(batch(IMAGE))).toList();
        prediction = losses.get(9).thenCompose(loss -> model.predict(IMAGE));
        assertThat(losses.get(9).join()).isLessThan(losses.get(0).join());
        prediction.join();
      }
      assertThat(prediction).isCompleted();
      assertThat(prediction.join()).hasSize(3).first().extracting(Prediction::label).isEqualTo(2);
    }
  }

  @Test
  void learn_stepThatFails_failsItsFutureAlone() {
    try (Network student = Mlp.of(4, 3);
        TrainingStep step = step(student);
        AsyncModel model = new AsyncModel(step, 1)) {
      CompletableFuture<Double> bad = model.learn(batch(new float[] {Float.NaN, 0, 0, 0}));
      assertThatThrownBy(bad::join)
          .isInstanceOf(CompletionException.class)
          .hasCauseInstanceOf(NonFiniteException.class);
      assertThat(model.learn(batch(IMAGE)).join()).isPositive();
    }
  }

  @Test
  void close_completesWhatWasAcceptedAndRefusesTheRest() {
    try (Network student = Mlp.of(4, 3);
        TrainingStep step = step(student)) {
      AsyncModel model = new AsyncModel(step, 1);
      List<CompletableFuture<Double>> losses =
          IntStream.range(0, 10).mapToObj(i -> model.learn(batch(IMAGE))).toList();
      model.close();
      assertThat(losses).allMatch(CompletableFuture::isDone);
      assertThatThrownBy(() -> model.predict(IMAGE)).isInstanceOf(RejectedExecutionException.class);
    }
  }

  @Test
  void predict_virtualThreads_wait() throws Exception {
    Optional<Path> jdk = Jdks.atLeast(21);
    assumeTrue(jdk.isPresent(), "needs a JDK 21 or newer, this one or in a folder beside it");
    List<String> options = List.of(ChildJvm.NATIVE_ACCESS);
    try (ChildJvm child = ChildJvm.start(jdk.get(), folder, options, VirtualThreads.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("1000 predictions");
    }
  }

  private static TrainingStep step(Network student) {
    return TrainingStep.builder(student)
        .inputShape(4)
        .crossEntropy(1)
        .optimizer(Sgd.of(0.5))
        .build();
  }

  private static StepInput batch(float[] image) {
    return StepInput.of(image, new long[] {2});
  }

  /** Asks from 1,000 virtual threads, which the Java that this is compiled for does not have. */
  static final class VirtualThreads {
    private VirtualThreads() {}

    /** Takes nothing; prints how many threads got an answer. */
    public static void main(String[] args) throws Exception {
      ExecutorService threads =
          (ExecutorService)
              Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
      try (Network student = Mlp.of(4, 3);
          TrainingStep step = step(student);
          AsyncModel model = new AsyncModel(step, 2)) {
        Callable<List<Prediction>> ask = () -> model.predict(IMAGE).join();
        int answers = 0;
        for (Future<List<Prediction>> answer : threads.invokeAll(Collections.nCopies(1000, ask))) {
          answers += answer.get().size() / 3;
        }
        System.out.println(answers + " predictions");
      }
      threads.shutdown();
    }
  }
}
