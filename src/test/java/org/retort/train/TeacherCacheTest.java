package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.testing.Buffers;

final class TeacherCacheTest {
  private static final long SAMPLES = 8;

  @TempDir private Path folder;

  @Test
  void cache_computesEachSampleOnceAndTheSame() {
    try (LinearStep computed = step(UnaryOperator.identity());
        LinearStep cached = step(teacher -> teacher.withCache(SAMPLES))) {
      int before = cached.teacherRuns();
      for (int i = 0; i < 3; i++) {
        computed.run();
        cached.run();
        assertThat(cached.numbers()).isEqualTo(computed.numbers());
      }
      assertThat(cached.teacherRuns()).isEqualTo(before + 1);
      assertThat(computed.teacherRuns()).isEqualTo(before + 3);
    }
  }

  @Test
  void cache_inAFile_outlivesTheStep() {
    Path file = folder.resolve("cache");
    try (LinearStep first = step(teacher -> teacher.withCache(SAMPLES, file))) {
      first.run();
    }
    try (LinearStep computed = step(UnaryOperator.identity());
        LinearStep second = step(teacher -> teacher.withCache(SAMPLES, file))) {
      int before = second.teacherRuns();
      computed.run();
      second.run();
      assertThat(second.numbers()).isEqualTo(computed.numbers());
      assertThat(second.teacherRuns()).isEqualTo(before);
    }
  }

  private LinearStep step(UnaryOperator<Teacher> option) {
    return new LinearStep(
        folder,
        option,
        builder ->
            builder
                .memoryFormat(MemoryFormat.CONTIGUOUS) // in which outputs come from a cache
                .add(1, KdLoss.of(4))
                .add(1, NstLoss.linear(), Taps.of("0"))
                .optimizer(Sgd.of(0.1)));
  }

  @Test
  void cache_fileOfSomethingElse_isRefused() throws IOException {
    Path file = Files.writeString(folder.resolve("text"), "no cache");
    assertThatThrownBy(() -> step(teacher -> teacher.withCache(SAMPLES, file)))
        .isInstanceOf(FileException.class);
    assertThat(file).hasContent("no cache");
  }

  @Test
  void run_withoutFittingIndices_isRefused() {
    try (LinearStep cached = step(teacher -> teacher.withCache(SAMPLES))) {
      assertRefused(
          () -> cached.step.run(cached.images, cached.labels, null, cached.result),
          "TrainingStep: indices must be given (got an undefined tensor)");
      assertRefused(
          () ->
              cached.step.run(
                  cached.images, cached.labels, Buffers.longs(0, 1, 2, 8), cached.result),
          "TrainingStep: indices must be between 0 and 7 (got 8)");
    }
  }

  @Test
  void argument_wrong_isRejected() {
    Teacher teacher = Teacher.given("elsewhere");
    assertIllegal(
        () -> teacher.withCache(-1), "Teacher: cache samples must be at least 0 (got -1)");
    assertIllegal(
        () -> teacher.withCache(0, folder),
        "Teacher: cache samples must be positive with a cache file (got 0)");
    assertIllegal(() -> teacher.withCache(1, null), "Teacher: cache file must be given (got null)");
  }
}
