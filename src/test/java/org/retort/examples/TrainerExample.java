package org.retort.examples;

import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.models.Network;
import org.retort.train.MicrometerListener;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingSummary;

/** Training over epochs, as in docs/training.md. */
final class TrainerExample {
  private TrainerExample() {}

  static TrainingSummary train(
      TrainingStep step,
      Batches batches,
      Network student,
      Batch test,
      Path folder,
      MeterRegistry registry) {
    Trainer trainer =
        Trainer.builder(step, batches)
            .epochs(100)
            .evaluate(() -> student.accuracy(test.images(), test.labels())) // after each epoch
            .patience(5) // evaluations without a new best
            .keep(folder) // best.pt, last.pt and last.checkpoint
            .checkpointEvery(Duration.ofMinutes(10)) // and after each epoch
            .resume() // if last.checkpoint is there
            .stopOnInterrupt() // Ctrl-C and SIGTERM end it after a step, and lose nothing
            .publishEvery(1000) // steps, for student.predict in other threads
            .listener(new MicrometerListener(registry))
            .build();
    TrainingSummary summary = trainer.run(); // returns early if any thread calls trainer.stop()
    return summary;
  }
}
