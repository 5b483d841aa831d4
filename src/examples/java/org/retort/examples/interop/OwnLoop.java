package org.retort.examples.interop;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.retort.losses.CrdLoss;
import org.retort.losses.KdLoss;

/** KD and CRD in a loop of your own. */
public final class OwnLoop implements AutoCloseable {
  private static final int INPUTS = 64;
  private static final int FEATURES = 32;
  private static final int CLASSES = 10;
  private static final int DIMENSION = 16;
  private static final int NEGATIVES = 64;
  private static final double TEMPERATURE = 0.07;
  private static final Scalar CRD_WEIGHT = new Scalar(0.8);
  private static final Scalar MEMORY_MOMENTUM = new Scalar(0.5);
  private static final KdLoss KD = KdLoss.of(4);

  private final long samples;
  private final LinearImpl body = new LinearImpl(INPUTS, FEATURES);
  private final LinearImpl classifier = new LinearImpl(FEATURES, CLASSES);
  private final LinearImpl embedding = new LinearImpl(FEATURES, DIMENSION);
  private final Tensor studentMemory;
  private final Tensor teacherMemory;
  private final SGD optimizer;
  private double zStudent;
  private double zTeacher;

  /**
   * Makes a student.
   *
   * @param samples the number of samples of the data set
   */
  @SuppressWarnings("try") // the scope works by being open
  public OwnLoop(long samples) {
    this.samples = samples;
    try (PointerScope scope = new PointerScope()) {
      studentMemory = torch.normalize(torch.randn(samples, DIMENSION));
      teacherMemory = torch.normalize(torch.randn(samples, DIMENSION));
      TensorVector parameters = new TensorVector();
      for (LinearImpl layer : new LinearImpl[] {body, classifier, embedding}) {
        parameters.push_back(layer.weight());
        parameters.push_back(layer.bias());
      }
      optimizer = new SGD(parameters, new SGDOptions(0.05));
      studentMemory.retainReference(); // what outlives the scope
      teacherMemory.retainReference();
      optimizer.retainReference();
    }
  }

  /**
   * Learns a batch.
   *
   * @param images [B, 64], float32
   * @param indices int64 [B], the samples' rows in the data set, all different
   * @param teacherLogits [B, 10], from wherever
   * @param teacherEmbeddings [B, 16]
   * @return the loss
   */
  @SuppressWarnings("try")
  public double learn(
      Tensor images, Tensor indices, Tensor teacherLogits, Tensor teacherEmbeddings) {
    try (PointerScope scope = new PointerScope()) { // closes every tensor of the iteration
      Tensor features = torch.relu(body.forward(images));
      Tensor student = torch.normalize(embedding.forward(features));
      Tensor teacher = torch.normalize(teacherEmbeddings);
      Tensor contrast = CrdLoss.contrast(indices, samples, NEGATIVES);
      if (zStudent == 0) { // once, by the first batch
        zStudent = CrdLoss.z(student, teacherMemory, contrast, TEMPERATURE);
        zTeacher = CrdLoss.z(teacher, studentMemory, contrast, TEMPERATURE);
      }
      Tensor crd =
          CrdLoss.compute(
              student,
              teacher,
              studentMemory,
              teacherMemory,
              contrast,
              zStudent,
              zTeacher,
              TEMPERATURE);
      Tensor kd = KD.compute(classifier.forward(features), teacherLogits);
      Tensor loss = kd.add(crd.mul(CRD_WEIGHT));

      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      remember(studentMemory, indices, student.detach());
      remember(teacherMemory, indices, teacher);
      return loss.item_double();
    }
  }

  /** Moves the batch's rows of a memory towards the new embeddings. */
  private static void remember(Tensor memory, Tensor indices, Tensor embeddings) {
    Tensor moved = memory.index_select(0, indices).lerp(embeddings, MEMORY_MOMENTUM);
    memory.index_copy_(0, indices, torch.normalize(moved));
  }

  @Override
  public void close() {
    optimizer.close();
    studentMemory.close();
    teacherMemory.close();
    embedding.close();
    classifier.close();
    body.close();
  }
}
