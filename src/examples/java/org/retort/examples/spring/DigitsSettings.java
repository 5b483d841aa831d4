package org.retort.examples.spring;

import java.nio.file.Path;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What the service can be told, for example by {@code --digits.batch=64}.
 *
 * @param folder where teacher and checkpoint are kept
 * @param teacherEpochs how long to train the teacher if the folder has none
 * @param threads threads of one operation
 * @param queue samples that may wait to be learned
 * @param batch samples a training step, at most
 * @param publishEvery training steps until predictions see the new weights
 * @param saveEvery training steps until a checkpoint is written
 */
@ConfigurationProperties("digits")
record DigitsSettings(
    @DefaultValue("target/spring") Path folder,
    @DefaultValue("10") int teacherEpochs,
    @DefaultValue("1") int threads,
    @DefaultValue("4096") int queue,
    @DefaultValue("64") int batch,
    @DefaultValue("10") int publishEvery,
    @DefaultValue("500") int saveEvery) {
  DigitsSettings {
    requirePositive("digits.teacher-epochs", teacherEpochs);
    requirePositive("digits.threads", threads);
    requirePositive("digits.queue", queue);
    requirePositive("digits.batch", batch);
    requirePositive("digits.publish-every", publishEvery);
    requirePositive("digits.save-every", saveEvery);
  }

  /** Returns the file of the teacher's weights. */
  Path teacher() {
    return folder.resolve("teacher.pt");
  }

  /** Returns the file from which the next start goes on. */
  Path checkpoint() {
    return folder.resolve("checkpoint.retort");
  }

  private static void requirePositive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " must be positive (got " + value + ")");
    }
  }
}
