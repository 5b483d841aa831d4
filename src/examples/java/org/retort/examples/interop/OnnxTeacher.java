package org.retort.examples.interop;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Predicate;
import org.retort.data.Batch;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** A teacher in ONNX Runtime: it reads a batch's buffer and writes another, without a copy. */
public final class OnnxTeacher implements AutoCloseable {
  private final OrtSession session;
  private final OnnxTensor images;
  private final OnnxTensor logits;
  private final FloatBuffer output;

  /**
   * Opens a model with an input {@code images} and an output {@code logits}.
   *
   * @param model an ONNX file
   * @param input what {@link #teach} reads, a direct buffer, whatever it then holds
   * @param shape of the input, the batch first
   * @param classes the number of logits of an image
   * @throws OrtException if ONNX Runtime can't use the model
   */
  public OnnxTeacher(Path model, FloatBuffer input, long[] shape, int classes) throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    session = environment.createSession(model.toString());
    images = OnnxTensor.createTensor(environment, input, shape);
    long[] outputShape = {shape[0], classes};
    output =
        ByteBuffer.allocateDirect((int) shape[0] * classes * Float.BYTES)
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
    logits = OnnxTensor.createTensor(environment, output, outputShape);
  }

  /**
   * Computes the logits of the images that the batch holds now.
   *
   * @return always the same direct buffer
   * @throws OrtException if ONNX Runtime fails
   */
  public FloatBuffer teach() throws OrtException {
    session.run(Map.of("images", images), Map.of("logits", logits)).close();
    return output;
  }

  @Override
  public void close() throws OrtException {
    logits.close();
    images.close();
    session.close();
  }

  /**
   * Teaches a student by a teacher in ONNX Runtime alone, without labels.
   *
   * @param model an ONNX file
   * @param student a network for images of 1×8×8 values and ten classes
   * @param next fills the batch with the next images, or says that there are none
   * @throws OrtException if ONNX Runtime fails
   */
  public static void distil(Path model, Network student, Predicate<Batch> next)
      throws OrtException {
    Batch batch = Batch.allocate(64, 1, 8, 8);
    long[] shape = {batch.size(), 1, 8, 8};
    try (OnnxTeacher teacher = new OnnxTeacher(model, batch.images(), shape, 10);
        TrainingStep step =
            TrainingStep.builder(student) // no teacher of Retort's
                .inputShape(1, 8, 8)
                .crossEntropy(0)
                .add(1, KdLoss.of(4))
                .optimizer(Sgd.of(0.05).withMomentum(0.9))
                .build()) {
      StepResult result = step.newResult();
      while (next.test(batch)) {
        FloatBuffer logits = teacher.teach();
        step.run(StepInput.of(batch.images(), batch.labels()).withTeacher(logits), result);
      }
    }
  }
}
