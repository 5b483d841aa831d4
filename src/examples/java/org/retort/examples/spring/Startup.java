package org.retort.examples.spring;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Optional;
import org.retort.Retort;
import org.retort.examples.service.Teacher;
import org.retort.models.Predictor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.stereotype.Component;

/**
 * Loads the natives and the networks once the port is open: the service is alive meanwhile, and
 * Spring Boot lets it accept traffic when its runners have ended.
 */
@Component
final class Startup implements ApplicationRunner {
  private static final Logger LOG = LoggerFactory.getLogger(Startup.class);

  private final DigitsSettings settings;
  private final ObjectProvider<Predictor> predictor;
  private final Learner learner;
  private volatile boolean done;
  private volatile Throwable obstacle;

  Startup(DigitsSettings settings, ObjectProvider<Predictor> predictor, Learner learner) {
    this.settings = settings;
    this.predictor = predictor;
    this.learner = learner;
  }

  @Override
  public void run(ApplicationArguments arguments) throws IOException {
    if (!Retort.isAvailable()) { // to be told by the health, not by a process that starts and ends
      obstacle = Retort.unavailabilityCause();
      LOG.error("nothing can be served", obstacle);
      return;
    }
    Retort.threads(settings.threads());
    // Not by the bean, which a context that is to close would wait for.
    Files.createDirectories(settings.folder());
    Teacher.load(settings.teacher(), settings.teacherEpochs()).close();
    predictor.getObject();
    learner.start();
    done = true;
  }

  /** Returns whether a first version of the student is published. */
  boolean isDone() {
    return done;
  }

  /** Returns why the natives can't be loaded, if they can't. */
  Optional<Throwable> obstacle() {
    return Optional.ofNullable(obstacle);
  }
}
