package org.retort.examples;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import org.bytedeco.pytorch.Tensor;
import org.retort.data.Batch;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.models.ExportedNetwork;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** The example of docs/your-network.md. */
final class YourNetworkExample {
  private YourNetworkExample() {}

  /** Makes a step that teaches one exported network by another. */
  static TrainingStep step(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 64, 64)
        .crossEntropy(0.5)
        .add(0.5, KdLoss.of(4))
        .add(0.1, NstLoss.polynomial(), Taps.of("map"))
        .optimizer(Sgd.of(0.05).withMomentum(0.9))
        .build();
  }

  /** Trains a student, publishes it and predicts. */
  static Tensor trainAndServe(Path studentFile, Path teacherFile, Batch batch, FloatBuffer image) {
    try (Network student = ExportedNetwork.load(studentFile, "map=layer1");
        Network teacher = ExportedNetwork.load(teacherFile, "map=layer1.1.relu");
        TrainingStep step = step(student, teacher)) {
      StepResult result = step.newResult();
      for (int i = 0; i < 10; i++) {
        step.run(batch, result);
      }
      student.publish(); // from now on other threads predict with these weights
      return student.predict(image);
    }
  }

  /** The README's three lines. */
  static TrainingStep ofTorchvision() {
    Network student = ExportedNetwork.load(Path.of("mobilenet_v3_small.pt2"), "map=features.8");
    Network teacher = ExportedNetwork.load(Path.of("resnet18.pt2"), "map=layer3.1.relu@1:in");
    TrainingStep step = step(student, teacher);
    return step;
  }
}
