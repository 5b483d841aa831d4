package org.retort.examples.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.Dataset;
import org.retort.data.Digits;
import org.retort.models.Mlp;
import org.retort.models.Network;

final class OnnxTeacherTest {
  private static final int BATCHES = 300;

  @Test
  void distil_digits_teachesTheStudentWithoutLabels() throws Exception {
    Retort.manualSeed(1);
    Path model = Path.of(OnnxTeacherTest.class.getResource("teacher.onnx").toURI());
    Digits digits = Digits.load();
    try (Network student = Mlp.of(64, 32, 10)) {
      OnnxTeacher.distil(model, student, new Draws(digits.train())::fill);
      Batch test = Batch.of(digits.test());
      assertThat(student.accuracy(test.images(), test.labels())).isGreaterThan(0.9);
    }
  }

  /** Batches of random images without their labels. */
  private static final class Draws {
    private final Random random = new Random(1);
    private final Dataset images;
    private int batches;

    Draws(Dataset images) {
      this.images = images;
    }

    boolean fill(Batch batch) {
      for (int i = 0; i < batch.size(); i++) {
        images.read(random.nextInt(images.size()), batch.images());
        batch.labels().put(i, Batch.UNLABELED);
      }
      batch.images().rewind();
      return ++batches <= BATCHES;
    }
  }
}
