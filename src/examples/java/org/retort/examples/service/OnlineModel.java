package org.retort.examples.service;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.data.Digits;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.train.Adam;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/**
 * A student that predicts while it learns. Any number of threads may predict: they see the weights
 * last published and wait for no step. Steps and saves wait for each other.
 */
class OnlineModel implements AutoCloseable {
  static final int CLASSES = Digits.CLASSES;
  static final int VALUES = Digits.CHANNELS * Digits.SIDE * Digits.SIDE;

  private static final int DEPTH = 8;

  private final Path checkpoint;
  private final Network student;
  private final TrainingStep step;

  /**
   * Makes a student, and goes on where the checkpoint was written if there is one.
   *
   * @param teacher may be closed afterwards: the step keeps what it needs
   */
  OnlineModel(Network teacher, Path checkpoint) {
    this.checkpoint = checkpoint;
    student = ResNet.cifar(DEPTH, CLASSES, Digits.CHANNELS);
    try {
      step = newStep(student, teacher);
    } catch (RuntimeException e) {
      student.close();
      throw e;
    }
    try {
      if (Files.exists(checkpoint)) {
        step.load(checkpoint);
      }
      step.publish();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * The teacher tells what every image is like, labels count where there are some. A batch that
   * would spoil the weights is passed over.
   */
  private static TrainingStep newStep(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
        .crossEntropy(0.5)
        .add(1, KdLoss.of(4))
        .optimizer(Adam.of(3e-3))
        .skipNonFinite()
        .build();
  }

  /**
   * Computes logits by the weights last published.
   *
   * @param images direct, from position to limit
   * @param logits direct, as many rows
   */
  void predict(FloatBuffer images, FloatBuffer logits) {
    student.predict(images, logits);
  }

  /** Makes room for what {@link #learn} tells. */
  StepResult newResult() {
    return step.newResult();
  }

  /** Does one training step; predictions don't see it yet. */
  synchronized void learn(FloatBuffer images, LongBuffer labels, StepResult result) {
    step.run(images, labels, null, result);
  }

  /** Lets predictions see what was learned. */
  synchronized void publish() {
    step.publish();
  }

  /**
   * Writes a checkpoint of what predictions then see, too.
   *
   * @return its number of steps
   */
  synchronized long save() {
    step.save(checkpoint);
    step.publish();
    return step.steps();
  }

  /** Returns the number of training steps, those before the last start among them. */
  long steps() {
    return step.steps();
  }

  @Override
  public void close() {
    step.close();
    student.close();
  }
}
