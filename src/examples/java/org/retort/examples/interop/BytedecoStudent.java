package org.retort.examples.interop;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.FlattenImpl;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.ReLUImpl;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.SequentialImpl;
import org.bytedeco.pytorch.Tensor;
import org.retort.losses.KdLoss;
import org.retort.models.Network;

/** A student of Bytedeco's modules that learns from one of Retort's networks. */
public final class BytedecoStudent implements AutoCloseable {
  private static final KdLoss KD = KdLoss.of(4);

  private final Network teacher;
  private final SequentialImpl student = new SequentialImpl();
  private final SGD optimizer;

  /**
   * Makes a student for images of 8×8 values.
   *
   * @param teacher a network for the same images and ten classes, which stays the caller's
   */
  @SuppressWarnings("try") // the scope works by being open
  public BytedecoStudent(Network teacher) {
    this.teacher = teacher;
    try (PointerScope scope = new PointerScope()) {
      student.push_back(new FlattenImpl());
      student.push_back(new LinearImpl(64, 32));
      student.push_back(new ReLUImpl());
      student.push_back(new LinearImpl(32, 10));
      optimizer = new SGD(student.parameters(), new SGDOptions(0.1));
      optimizer.retainReference(); // the scope must not close what outlives it
    }
  }

  /**
   * Learns a batch.
   *
   * @param images [B, 1, 8, 8], float32
   * @return the loss
   */
  @SuppressWarnings("try")
  public double learn(Tensor images) {
    try (PointerScope scope = new PointerScope()) {
      Tensor loss = KD.compute(student.forward(images), teacher.predict(images));
      optimizer.zero_grad();
      loss.backward(); // through Retort's loss into Bytedeco's modules
      optimizer.step();
      return loss.item_double();
    }
  }

  /**
   * Tells how large a network's weights are.
   *
   * @param network a network
   * @return the norm of each parameter and buffer, by its name
   */
  @SuppressWarnings("try")
  public static Map<String, Double> norms(Network network) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Double> norms = new LinkedHashMap<>();
      network
          .stateDict()
          .forEach(
              (name, tensor) -> {
                if (tensor.is_floating_point()) { // BatchNorm's num_batches_tracked is not
                  norms.put(name, tensor.norm().item_double());
                }
              });
      return norms;
    }
  }

  @Override
  public void close() {
    optimizer.close();
    student.close();
  }
}
