package org.retort.examples;

import java.nio.file.Path;
import org.retort.losses.ProgramLoss;
import org.retort.losses.RegisteredLoss;
import org.retort.models.Network;
import org.retort.train.Sgd;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** The steps of docs/your-loss.md: attention transfer as a program, and from a team's library. */
final class OwnLossExample {
  private static final Taps LAYERS = Taps.of("layer1", "layer2", "layer3");

  private OwnLossExample() {}

  static TrainingStep withProgram(Network student, Network teacher, Path file) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 32, 32)
        .add(1000, ProgramLoss.load(file), LAYERS) // attention_transfer.ts
        .optimizer(Sgd.of(0.01))
        .build();
  }

  static TrainingStep withLibrary(Network student, Network teacher, Path library) {
    RegisteredLoss.loadLibrary(library); // libattention_transfer.so
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 32, 32)
        .add(1000, RegisteredLoss.of("attention_transfer").with("power", 2), LAYERS)
        .optimizer(Sgd.of(0.01))
        .build();
  }
}
