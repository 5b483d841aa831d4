package org.retort.examples.service;

import com.google.gson.annotations.SerializedName;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the service can be asked for; an answer is any object that Gson can write. */
final class Api {
  /** Answers a request by its body. */
  @FunctionalInterface
  interface Handler {
    Object answer(byte[] body) throws RequestException;
  }

  /**
   * A handler and the one method that it allows.
   *
   * @param method of HTTP
   * @param handler answers
   */
  record Route(String method, Handler handler) {}

  private record Prediction(@SerializedName("class") int best, float[] probabilities) {}

  private record Predictions(List<Prediction> predictions) {}

  private record Accepted(int accepted) {}

  private record Saved(long steps) {}

  private record Health(String status) {}

  private record Status(Learner.Progress learned, int queued) {}

  /** What a thread that answers uses again and again. */
  private static final class Scratch {
    final SampleReader reader = new SampleReader();
    final FloatBuffer logits =
        ByteBuffer.allocateDirect(SampleReader.MAX_IMAGES * OnlineModel.CLASSES * Float.BYTES)
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
  }

  private static final int UNAVAILABLE = 503;

  private final OnlineModel model;
  private final Learner learner;
  private final ThreadLocal<Scratch> scratch = ThreadLocal.withInitial(Scratch::new);

  Api(OnlineModel model, Learner learner) {
    this.model = model;
    this.learner = learner;
  }

  /** Returns what can be asked for, by path. */
  Map<String, Route> routes() {
    return Map.of(
        "/predict", new Route("POST", this::predict),
        "/learn", new Route("POST", this::learn),
        "/health", new Route("GET", body -> health()),
        "/save", new Route("POST", body -> new Saved(model.save())),
        "/status", new Route("GET", body -> new Status(learner.progress(), learner.queued())));
  }

  private Health health() throws RequestException {
    requireLearner();
    return new Health("up");
  }

  private void requireLearner() throws RequestException {
    Optional<Throwable> end = learner.end();
    if (end.isPresent()) {
      throw new RequestException(
          UNAVAILABLE,
          "learner must be running (got its end by " + end.get().getClass().getSimpleName() + ")");
    }
  }

  private Predictions predict(byte[] body) throws RequestException {
    Scratch own = scratch.get();
    FloatBuffer images = own.reader.readImages(body);
    FloatBuffer logits = own.logits.clear();
    logits.limit(images.remaining() / OnlineModel.VALUES * OnlineModel.CLASSES);
    model.predict(images, logits);
    List<Prediction> predictions = new ArrayList<>();
    for (int row = 0; row < logits.limit(); row += OnlineModel.CLASSES) {
      predictions.add(prediction(logits, row));
    }
    return new Predictions(predictions);
  }

  private static Prediction prediction(FloatBuffer logits, int row) {
    int best = 0;
    for (int i = 1; i < OnlineModel.CLASSES; i++) {
      if (logits.get(row + i) > logits.get(row + best)) {
        best = i;
      }
    }
    float[] probabilities = new float[OnlineModel.CLASSES];
    float sum = 0;
    for (int i = 0; i < OnlineModel.CLASSES; i++) {
      probabilities[i] = (float) Math.exp(logits.get(row + i) - logits.get(row + best));
      sum += probabilities[i];
    }
    for (int i = 0; i < OnlineModel.CLASSES; i++) {
      probabilities[i] /= sum;
    }
    return new Prediction(best, probabilities);
  }

  private Accepted learn(byte[] body) throws RequestException {
    List<Sample> samples = scratch.get().reader.readSamples(body);
    requireLearner();
    if (!learner.offer(samples)) {
      throw new RequestException(UNAVAILABLE, "queue must have room for the samples (got none)");
    }
    return new Accepted(samples.size());
  }
}
