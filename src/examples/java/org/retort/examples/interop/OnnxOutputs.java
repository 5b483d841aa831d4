package org.retort.examples.interop;

import ai.onnxruntime.OrtException;
import java.nio.file.Path;
import org.retort.data.Batch;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

/** A teacher in ONNX Runtime that runs once, for students that learn without it. */
public final class OnnxOutputs {
  private OnnxOutputs() {}

  /**
   * Stores the logits of a teacher in ONNX Runtime for a data set.
   *
   * @param model an ONNX file
   * @param images 1×8×8 values each, of ten classes
   * @param file where to store them
   * @throws OrtException if ONNX Runtime fails
   */
  public static void store(Path model, Dataset images, Path file) throws OrtException {
    Batch batch = Batch.allocate(1, 1, 8, 8);
    long[] shape = {batch.size(), 1, 8, 8};
    StoredOutputsFormat format =
        StoredOutputsFormat.of(images.size(), 10).withNote("logits of " + model);
    try (OnnxTeacher teacher = new OnnxTeacher(model, batch.images(), shape, 10);
        StoredOutputsWriter writer = StoredOutputs.writer(file, format)) {
      for (int i = 0; i < images.size(); i++) {
        images.read(i, batch.images());
        batch.images().rewind();
        batch.indices().put(0, i);
        writer.write(batch.indices(), teacher.teach());
      }
      writer.finish(); // or there is no file
    }
  }

  /**
   * Teaches a student by what {@link #store} has stored, without labels.
   *
   * @param file of the outputs
   * @param images the same ones in the same order
   * @param student a network for them
   * @param epochs how often it sees them
   */
  public static void distil(Path file, Dataset images, Network student, int epochs) {
    try (StoredOutputs outputs = StoredOutputs.open(file);
        DatasetBatches batches = DatasetBatches.builder(images).size(64).build();
        TrainingStep step =
            TrainingStep.builder(student, outputs)
                .inputShape(1, 8, 8)
                .crossEntropy(0)
                .add(1, KdLoss.of(4))
                .optimizer(Sgd.of(0.05).withMomentum(0.9))
                .build()) {
      Trainer.builder(step, batches).epochs(epochs).build().run();
    }
  }
}
