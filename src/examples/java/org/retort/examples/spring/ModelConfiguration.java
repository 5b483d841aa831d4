package org.retort.examples.spring;

import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Files;
import org.retort.data.Digits;
import org.retort.examples.service.Teacher;
import org.retort.losses.KdLoss;
import org.retort.models.Network;
import org.retort.models.Predictor;
import org.retort.models.ResNet;
import org.retort.train.Adam;
import org.retort.train.MicrometerListener;
import org.retort.train.TrainingStep;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/**
 * What is native, as beans, which Spring closes in the opposite order: those that use others first.
 * They are made when {@link Startup} asks for them, since that takes long.
 */
@Lazy
@Configuration(proxyBeanMethods = false)
class ModelConfiguration {
  private static final int DEPTH = 8;

  /** The large network of the other example, from its file. */
  @Bean(destroyMethod = "close")
  Network teacher(DigitsSettings settings) {
    return Teacher.load(settings.teacher(), settings.teacherEpochs());
  }

  @Bean(destroyMethod = "close")
  Network student() {
    return ResNet.cifar(DEPTH, Digits.CLASSES, Digits.CHANNELS);
  }

  /** The step, which goes on where the checkpoint was written if there is one. */
  @Bean(destroyMethod = "close")
  TrainingStep step(Network student, Network teacher, DigitsSettings settings) {
    TrainingStep step =
        TrainingStep.builder(student, teacher)
            .inputShape(Digits.CHANNELS, Digits.SIDE, Digits.SIDE)
            .crossEntropy(0.5)
            .add(1, KdLoss.of(4))
            .optimizer(Adam.of(3e-3))
            .skipNonFinite()
            .build();
    try {
      if (Files.exists(settings.checkpoint())) {
        step.load(settings.checkpoint());
      }
      step.publish();
      return step;
    } catch (RuntimeException e) {
      step.close();
      throw e;
    }
  }

  /** Serves what the step publishes; the step, which has published, must be there before. */
  @Bean(destroyMethod = "close")
  Predictor predictor(Network student, TrainingStep step) {
    return Predictor.of(student);
  }

  @Bean
  MicrometerListener micrometerListener(MeterRegistry registry) {
    return new MicrometerListener(registry);
  }
}
