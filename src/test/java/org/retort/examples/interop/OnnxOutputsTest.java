package org.retort.examples.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.train.StoredOutputs;

final class OnnxOutputsTest {
  @TempDir private Path folder;

  @Test
  void storeThenDistil_digits_teachesTheStudentWithoutTeacherOrLabels() throws Exception {
    Retort.manualSeed(1);
    Path model = Path.of(OnnxTeacherTest.class.getResource("teacher.onnx").toURI());
    Digits digits = Digits.load();
    Path file = folder.resolve("logits");
    OnnxOutputs.store(model, digits.train(), file);
    try (StoredOutputs outputs = StoredOutputs.open(file)) {
      assertThat(outputs.missing()).isEmpty();
      assertThat(outputs.format().note()).isEqualTo("logits of " + model);
    }
    try (Network student = Mlp.of(64, 32, 10)) {
      OnnxOutputs.distil(file, digits.train(), student, 15);
      Batch test = Batch.of(digits.test());
      assertThat(student.accuracy(test.images(), test.labels())).isGreaterThan(0.9);
    }
  }
}
