package org.retort.examples.service;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.retort.data.Batch;
import org.retort.data.Digits;

/**
 * Reads {@code {"images": [[0.5, …], …], "labels": [3, null, …]}} straight into direct buffers,
 * which it uses again for the next request: one reader a thread.
 */
final class SampleReader {
  static final int MAX_IMAGES = 64;

  private static final int BAD_REQUEST = 400;

  private final FloatBuffer images;
  private final LongBuffer labels;

  SampleReader() {
    Batch batch = Batch.allocate(MAX_IMAGES, Digits.CHANNELS, Digits.SIDE, Digits.SIDE);
    images = batch.images();
    labels = batch.labels();
  }

  /**
   * Reads images without labels.
   *
   * @return the reader's buffer, from position to limit
   */
  FloatBuffer readImages(byte[] json) throws RequestException {
    read(json);
    if (labels.hasRemaining()) {
      throw bad("labels must not be given (got %s)", labels.remaining());
    }
    return images;
  }

  /** Reads images, and labels if there are some; null stands for a label that is not known. */
  List<Sample> readSamples(byte[] json) throws RequestException {
    read(json);
    int count = images.remaining() / OnlineModel.VALUES;
    if (labels.hasRemaining() && labels.remaining() != count) {
      throw bad("labels must be %s, one per image (got %s)", count, labels.remaining());
    }
    List<Sample> samples = new ArrayList<>(count);
    while (images.hasRemaining()) {
      float[] image = new float[OnlineModel.VALUES];
      images.get(image);
      samples.add(new Sample(image, labels.hasRemaining() ? labels.get() : Batch.UNLABELED));
    }
    return samples;
  }

  private void read(byte[] body) throws RequestException {
    images.clear();
    labels.clear();
    try (JsonReader json =
        new JsonReader(
            new InputStreamReader(new ByteArrayInputStream(body), StandardCharsets.UTF_8))) {
      json.setStrictness(Strictness.STRICT);
      json.beginObject();
      while (json.hasNext()) {
        String name = json.nextName();
        switch (name) {
          case "images" -> readArrays(json);
          case "labels" -> readLabels(json);
          default -> throw bad("names must be images and labels (got %s)", name);
        }
      }
      json.endObject();
      if (json.peek() != JsonToken.END_DOCUMENT) {
        throw bad("body must end after the object (got more)");
      }
    } catch (IOException | IllegalStateException | NumberFormatException e) {
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw bad(
          "body must be {\"images\": [[number, …], …], \"labels\": [number or null, …]} (got: %s)",
          reason);
    }
    images.flip();
    labels.flip();
    if (!images.hasRemaining()) {
      throw bad("images must be at least one (got none)");
    }
  }

  private void readArrays(JsonReader json) throws IOException, RequestException {
    json.beginArray();
    while (json.hasNext()) {
      if (!images.hasRemaining()) {
        throw bad("images must be at most %s (got more)", MAX_IMAGES);
      }
      readImage(json, images.position() + OnlineModel.VALUES);
    }
    json.endArray();
  }

  private void readImage(JsonReader json, int end) throws IOException, RequestException {
    json.beginArray();
    while (json.hasNext() && images.position() < end) {
      double value = json.nextDouble();
      if (!(value >= 0 && value <= 1)) {
        throw bad("image must have values from 0 to 1 (got %s)", value);
      }
      images.put((float) value);
    }
    if (json.hasNext() || images.position() < end) {
      throw bad(
          "image must have %s values (got %s)",
          OnlineModel.VALUES,
          json.hasNext() ? "more" : OnlineModel.VALUES - (end - images.position()));
    }
    json.endArray();
  }

  private void readLabels(JsonReader json) throws IOException, RequestException {
    json.beginArray();
    while (json.hasNext()) {
      if (!labels.hasRemaining()) {
        throw bad("labels must be at most %s (got more)", MAX_IMAGES);
      }
      labels.put(readLabel(json));
    }
    json.endArray();
  }

  private static long readLabel(JsonReader json) throws IOException, RequestException {
    if (json.peek() == JsonToken.NULL) {
      json.nextNull();
      return Batch.UNLABELED;
    }
    long label = json.nextLong();
    if (label < 0 || label >= OnlineModel.CLASSES) {
      throw bad("label must be null or from 0 to %s (got %s)", OnlineModel.CLASSES - 1, label);
    }
    return label;
  }

  private static RequestException bad(String message, Object... values) {
    return new RequestException(BAD_REQUEST, String.format(message, values));
  }
}
