package org.retort.examples.spring;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/** What the service can be asked for. */
@RestController
final class DigitsController {
  private static final int MAX_IMAGES = 64;
  private static final int VALUES = Digits.CHANNELS * Digits.SIDE * Digits.SIDE;

  /**
   * Images to predict.
   *
   * @param images 64 values each, from 0 to 1
   */
  record Images(float[][] images) {}

  /**
   * Images to learn from.
   *
   * @param images 64 values each, from 0 to 1
   * @param labels one for each image, null where it is not known; null if none is
   */
  record Samples(float[][] images, Long[] labels) {}

  /**
   * The answer to {@link Images}.
   *
   * @param predictions for each image the most probable classes, the best first
   */
  record Predictions(List<List<Prediction>> predictions) {}

  /**
   * The answer to {@link Samples}.
   *
   * @param accepted how many were put into the queue
   */
  record Accepted(int accepted) {}

  private final ObjectProvider<Predictor> predictor;
  private final Learner learner;

  DigitsController(ObjectProvider<Predictor> predictor, Learner learner) {
    this.predictor = predictor;
    this.learner = learner;
  }

  @PostMapping("/predict")
  Predictions predict(@RequestBody Images body, @RequestParam(defaultValue = "3") int top) {
    checkImages(body.images());
    if (top < 1 || top > Digits.CLASSES) {
      throw Problems.badRequest("top must be from 1 to %s (got %s)", Digits.CLASSES, top);
    }
    Predictor serving = predictor.getObject();
    return new Predictions(
        Arrays.stream(body.images()).map(image -> serving.top(top, image)).toList());
  }

  @PostMapping("/learn")
  @ResponseStatus(HttpStatus.ACCEPTED)
  Accepted learn(@RequestBody Samples body) {
    List<Learner.Sample> samples = samples(body);
    learner
        .end()
        .ifPresent(
            end -> {
              throw Problems.unavailable(
                  "learner must be running (got its end by "
                      + end.getClass().getSimpleName()
                      + ")");
            });
    if (!learner.offer(samples)) {
      throw Problems.unavailable("queue must have room for the samples (got none)");
    }
    return new Accepted(samples.size());
  }

  private static List<Learner.Sample> samples(Samples body) {
    checkImages(body.images());
    int count = body.images().length;
    Long[] labels = body.labels() == null ? new Long[count] : body.labels();
    if (labels.length != count) {
      throw Problems.badRequest("labels must be %s, one per image (got %s)", count, labels.length);
    }
    List<Learner.Sample> samples = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      samples.add(new Learner.Sample(body.images()[i], checkedLabel(labels[i])));
    }
    return samples;
  }

  /** Before anything is queued: a huge value is finite and may still spoil a student. */
  private static void checkImages(float[][] images) {
    if (images == null || images.length == 0) {
      throw Problems.badRequest("images must be at least one (got none)");
    }
    if (images.length > MAX_IMAGES) {
      throw Problems.badRequest("images must be at most %s (got %s)", MAX_IMAGES, images.length);
    }
    for (float[] image : images) {
      checkImage(image);
    }
  }

  private static void checkImage(float[] image) {
    if (image == null || image.length != VALUES) {
      throw Problems.badRequest(
          "image must have %s values (got %s)", VALUES, image == null ? "null" : image.length);
    }
    for (float value : image) {
      if (!(value >= 0 && value <= 1)) {
        throw Problems.badRequest("image must have values from 0 to 1 (got %s)", value);
      }
    }
  }

  private static long checkedLabel(Long label) {
    if (label == null) {
      return Batch.UNLABELED;
    }
    if (label < 0 || label >= Digits.CLASSES) {
      throw Problems.badRequest(
          "label must be null or from 0 to %s (got %s)", Digits.CLASSES - 1, label);
    }
    return label;
  }
}
