package org.retort.examples.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.testing.ChildJvm;

final class OwnLoopTest {
  @TempDir private Path folder;

  @Test
  @Tag("memory")
  void learn_iterations_takeNoMemory() throws Exception {
    assertTakesNoMemory(2_000);
  }

  @Test
  @Tag("memory")
  @Tag("nightly")
  void learn_manyIterations_takeNoMemory() throws Exception {
    assertTakesNoMemory(10_000);
  }

  /** In a process whose heap can't grow. */
  private void assertTakesNoMemory(int iterations) throws Exception {
    List<String> options =
        List.of(
            "-Xms64m",
            "-Xmx64m",
            "-XX:+AlwaysPreTouch",
            "-Dorg.bytedeco.javacpp.maxBytes=0",
            "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0");
    try (ChildJvm child =
        ChildJvm.start(folder, options, Iterations.class, Integer.toString(iterations))) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("done");
    }
  }

  /** Learns the same batch again and again. */
  static final class Iterations {
    private static final int WARM_UP = 500;
    private static final int BATCH = 32;

    /** Without the scope, an iteration takes 65,000. */
    private static final long SLACK_BYTES_PER_ITERATION = 2_000;

    private Iterations() {}

    /** Takes the number of iterations; prints {@code done} at the end. */
    public static void main(String[] args) {
      int iterations = Integer.parseInt(args[0]);
      Retort.manualSeed(1);
      try (OwnLoop loop = new OwnLoop(1000);
          Tensor images = torch.randn(BATCH, 64);
          Tensor logits = torch.randn(BATCH, 10);
          Tensor embeddings = torch.randn(BATCH, 16);
          Scalar end = new Scalar(BATCH);
          Tensor indices = torch.arange(end, new TensorOptions(ScalarType.Long))) {
        double first = loop.learn(images, indices, logits, embeddings);
        for (int i = 0; i < WARM_UP; i++) {
          loop.learn(images, indices, logits, embeddings);
        }
        long pointers = Pointer.totalCount();
        long process = Pointer.physicalBytes();
        double last = first;
        for (int i = 0; i < iterations; i++) {
          last = loop.learn(images, indices, logits, embeddings);
        }
        assertThat(Pointer.totalCount()).as("pointers").isLessThanOrEqualTo(pointers);
        assertThat(Pointer.physicalBytes() - process)
            .as("process")
            .isLessThan(iterations * SLACK_BYTES_PER_ITERATION);
        assertThat(last).as("loss").isLessThan(first);
        System.out.println("done");
      }
    }
  }
}
