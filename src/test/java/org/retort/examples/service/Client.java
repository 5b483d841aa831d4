package org.retort.examples.service;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.Map;
import org.retort.data.Batch;

/** Talks to a service; may be used by several threads. */
final class Client {
  /** An image without ink, in JSON. */
  static final String BLANK = "[" + "0,".repeat(OnlineModel.VALUES - 1) + "0]";

  private static final Gson GSON = new Gson();
  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final String root;

  Client(InetSocketAddress address) {
    root = "http://127.0.0.1:" + address.getPort();
  }

  HttpResponse<String> send(String method, String path, String body)
      throws IOException, InterruptedException {
    return http.send(
        HttpRequest.newBuilder(URI.create(root + path))
            .timeout(TIMEOUT)
            .method(method, BodyPublishers.ofString(body))
            .build(),
        BodyHandlers.ofString());
  }

  HttpResponse<String> predict(float[][] images) throws IOException, InterruptedException {
    return send("POST", "/predict", body(images));
  }

  /** Returns the images of a batch as requests take them. */
  static float[][] images(Batch batch) {
    FloatBuffer all = batch.images().duplicate();
    float[][] images = new float[batch.size()][OnlineModel.VALUES];
    for (float[] image : images) {
      all.get(image);
    }
    return images;
  }

  /** Returns what a request for predictions sends. */
  static String body(float[][] images) {
    return GSON.toJson(Map.of("images", images));
  }

  HttpResponse<String> learn(float[][] images, Long[] labels)
      throws IOException, InterruptedException {
    // with the nulls, which stand for unknown labels
    return send("POST", "/learn", GSON.toJson(Map.of("images", images, "labels", labels)));
  }

  JsonObject status() throws IOException, InterruptedException {
    return json(send("GET", "/status", ""));
  }

  /** Waits until so many samples have been taken from the queue and dealt with. */
  JsonObject awaitLearned(long samples) throws IOException, InterruptedException {
    long end = System.nanoTime() + TIMEOUT.toNanos();
    while (System.nanoTime() < end) {
      JsonObject learned = status().getAsJsonObject("learned");
      if (learned.get("samples").getAsLong() >= samples) {
        return learned;
      }
      Thread.sleep(5);
    }
    throw new AssertionError("the samples were not learned: " + status());
  }

  static JsonObject json(HttpResponse<String> response) {
    return JsonParser.parseString(response.body()).getAsJsonObject();
  }
}
