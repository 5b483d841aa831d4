package org.retort.examples.spring;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.logging.LoggingSystem;
import org.springframework.boot.web.context.WebServerInitializedEvent;
import org.springframework.context.ApplicationListener;
import org.springframework.context.ConfigurableApplicationContext;

/** The application on a port of its own in this process, and a client of it. */
final class RunningApplication implements AutoCloseable {
  static final int BATCH = 32;
  static final int QUEUE = 48;

  /** Tomcat's, which would tell of every start; a static, since loggers may be collected. */
  private static final Logger SERVER = Logger.getLogger("org.apache");

  static {
    SERVER.setLevel(Level.WARNING);
    // How this process logs is not for one of its tests to change.
    System.setProperty(LoggingSystem.SYSTEM_PROPERTY, LoggingSystem.NONE);
  }

  private static final Gson GSON = new Gson();
  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final CompletableFuture<Integer> port = new CompletableFuture<>();
  private final CompletableFuture<ConfigurableApplicationContext> context;

  private RunningApplication(Path folder, List<Object> beans) {
    SpringApplicationBuilder builder =
        new SpringApplicationBuilder(DigitsApplication.class)
            .initializers(
                started ->
                    beans.forEach(
                        bean ->
                            started
                                .getBeanFactory()
                                .registerSingleton(bean.getClass().getName(), bean)))
            .listeners(
                (ApplicationListener<WebServerInitializedEvent>)
                    event -> port.complete(event.getWebServer().getPort()));
    context =
        CompletableFuture.supplyAsync(
            () ->
                builder.run(
                    "--server.port=0",
                    "--spring.main.banner-mode=off",
                    "--digits.folder=" + folder,
                    "--digits.batch=" + BATCH,
                    "--digits.queue=" + QUEUE,
                    "--digits.publish-every=1",
                    "--digits.save-every=50"));
    context.whenComplete(
        (started, failure) -> {
          if (failure != null) {
            port.completeExceptionally(failure);
          }
        });
  }

  /** Starts the application with more beans, and returns when its port is open. */
  static RunningApplication begin(Path folder, Object... beans) throws Exception {
    RunningApplication application = new RunningApplication(folder, List.of(beans));
    application.port.get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    return application;
  }

  /** Starts the application with more beans, and returns when it accepts traffic. */
  static RunningApplication start(Path folder, Object... beans) throws Exception {
    RunningApplication application = begin(folder, beans);
    application.awaitStart();
    return application;
  }

  /** Waits until the application accepts traffic. */
  void awaitStart() throws Exception {
    context.get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
  }

  /** Returns one of its beans. */
  <T> T bean(String name, Class<T> type) {
    return context.join().getBean(name, type);
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return send("GET", path, BodyPublishers.noBody());
  }

  HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
    return send("POST", path, BodyPublishers.ofString(body));
  }

  HttpResponse<String> send(String method, String path, BodyPublisher body)
      throws IOException, InterruptedException {
    return http.send(
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port.join() + path))
            .timeout(TIMEOUT)
            .header("Content-Type", "application/json")
            .method(method, body)
            .build(),
        BodyHandlers.ofString());
  }

  HttpResponse<String> predict(float[][] images, int top) throws IOException, InterruptedException {
    return post("/predict?top=" + top, GSON.toJson(Map.of("images", images)));
  }

  HttpResponse<String> learn(float[][] images, Long[] labels)
      throws IOException, InterruptedException {
    // with the nulls, which stand for unknown labels
    return post("/learn", GSON.toJson(Map.of("images", images, "labels", labels)));
  }

  /** Returns what the health says of a part of the service. */
  JsonObject health(String part) throws IOException, InterruptedException {
    return json(get("/actuator/health/" + part));
  }

  /** Waits until so many samples have been taken from the queue and dealt with. */
  JsonObject awaitLearned(long samples) throws IOException, InterruptedException {
    long end = System.nanoTime() + TIMEOUT.toNanos();
    while (System.nanoTime() < end) {
      JsonObject learned = health("learner").getAsJsonObject("details");
      if (learned.get("samples").getAsLong() >= samples) {
        return learned;
      }
      Thread.sleep(5);
    }
    throw new AssertionError("the samples were not learned: " + health("learner"));
  }

  static JsonObject json(HttpResponse<String> response) {
    return JsonParser.parseString(response.body()).getAsJsonObject();
  }

  /** Does what SIGTERM does. */
  @Override
  public void close() {
    context.join().close();
  }
}
