package org.retort.examples.service;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import org.retort.models.Network;

/** The parts of the service together; they end in the opposite order of their start. */
final class OnlineService implements AutoCloseable {
  private final OnlineModel model;
  private final Learner learner;
  private final HttpFrontEnd frontEnd;

  private OnlineService(OnlineModel model, Learner learner, HttpFrontEnd frontEnd) {
    this.model = model;
    this.learner = learner;
    this.frontEnd = frontEnd;
  }

  /** Starts to serve: with the teacher and the checkpoint in the folder, or with new ones. */
  static OnlineService start(Settings settings) throws IOException {
    Files.createDirectories(settings.folder());
    OnlineModel model = openModel(settings);
    Learner learner = Learner.start(model, settings);
    try {
      Api api = new Api(model, learner);
      return new OnlineService(
          model, learner, HttpFrontEnd.start(api, settings.address(), settings.httpThreads()));
    } catch (IOException | RuntimeException e) { // the port is taken, say
      try (model;
          learner) {
        throw e;
      }
    }
  }

  private static OnlineModel openModel(Settings settings) {
    Path folder = settings.folder();
    try (Network teacher = Teacher.load(folder.resolve("teacher.pt"), settings.teacherEpochs())) {
      return new OnlineModel(teacher, folder.resolve("checkpoint.retort"));
    }
  }

  /** Returns where the service listens. */
  InetSocketAddress address() {
    return frontEnd.address();
  }

  /**
   * Ends in good order: answers what has been asked, ends the running step, writes a checkpoint and
   * frees what is native.
   */
  @Override
  public void close() {
    try (model;
        learner;
        frontEnd) {}
  }
}
