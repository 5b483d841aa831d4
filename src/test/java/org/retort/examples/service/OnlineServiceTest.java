package org.retort.examples.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.http.HttpResponse;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Augmentation;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.models.Network;
import org.retort.testing.Threads;
import org.retort.train.StepResult;

/** Clients of a service on the loopback interface, several at once. */
final class OnlineServiceTest {
  private static final int TEACHER_EPOCHS = 4;
  private static final int BATCH = 32;
  private static final int BATCHES = 60;

  @TempDir private static Path shared;
  @TempDir private Path folder;

  private static int threads;

  @BeforeAll
  static void trainTeacher() {
    threads = Retort.threads();
    Retort.manualSeed(1);
    Retort.threads(1); // as the service does: its threads are those that answer
    Teacher.load(shared.resolve("teacher.pt"), TEACHER_EPOCHS).close();
  }

  @AfterAll
  static void restoreThreads() {
    Retort.threads(threads);
  }

  @Test
  void learn_whileOthersPredict_raisesAccuracy() throws Exception {
    try (OnlineService service = start(1024)) {
      Client client = new Client(service.address());
      double before = accuracy(client);
      AtomicBoolean learning = new AtomicBoolean(true);
      Threads.runAll(
          () -> {
            try {
              Threads.runAll(() -> teach(client, BATCHES, 1), () -> teach(client, BATCHES, 2));
              client.awaitLearned(2 * BATCHES * BATCH);
            } finally {
              learning.set(false);
            }
          },
          () -> repeat(learning, () -> accuracy(client)),
          () -> repeat(learning, () -> accuracy(client)),
          () -> repeat(learning, () -> assertRefusesBadRequests(client)));

      assertThat(client.send("POST", "/save", "").statusCode()).isEqualTo(200);
      assertThat(before).isLessThan(0.5);
      assertThat(accuracy(client)).isGreaterThan(0.75);
      JsonObject learned = client.status().getAsJsonObject("learned");
      assertThat(learned.get("samples").getAsLong()).isEqualTo(2 * BATCHES * BATCH);
      assertThat(learned.get("labeled").getAsLong()).isEqualTo(BATCHES * BATCH);
      assertThat(learned.get("failures").getAsLong()).isZero();
    }
  }

  @Test
  void badRequests_changeNothing() throws Exception {
    try (OnlineService service = start(64)) {
      Client client = new Client(service.address());
      String prediction = predictTest(client);
      String status = client.status().toString();

      assertRefusesBadRequests(client);

      assertThat(predictTest(client)).isEqualTo(prediction);
      assertThat(client.status()).hasToString(status);
    }
  }

  @Test
  void learn_fullQueue_takesNothingAndSaysWhenToRetry() throws Exception {
    try (OnlineService service = start(BATCH - 1)) {
      Client client = new Client(service.address());
      DatasetBatches source = batches(0);
      source.startEpoch(0);
      Batch batch = source.next();
      HttpResponse<String> response = client.learn(Client.images(batch), new Long[BATCH]);

      assertError(response, 503, "queue must have room for the samples (got none)");
      assertThat(response.headers().firstValue("Retry-After")).contains("1");
      assertThat(client.status().get("queued").getAsInt()).isZero();
    }
  }

  @Test
  void save_thenRestart_goesOnWithTheSameBits() throws Exception {
    String saved;
    String prediction;
    try (OnlineService service = start(1024)) {
      Client client = new Client(service.address());
      teach(client, 7, 3);
      client.awaitLearned(7 * BATCH);
      saved = client.send("POST", "/save", "").body();
      prediction = predictTest(client);
    }
    try (OnlineService service = start(1024)) {
      Client client = new Client(service.address());
      assertThat(predictTest(client)).isEqualTo(prediction);
      assertThat(client.send("POST", "/save", "").body())
          .isEqualTo(saved)
          .matches("\\{\"steps\":[1-9]\\d*}");
    }
  }

  @Test
  void close_underLoad_answersWhatItTookAndSaves() throws Exception {
    OnlineService service = start(64);
    Client client = new Client(service.address());
    CountDownLatch busy = new CountDownLatch(50);
    Threads.runAll(
        () -> untilRefused(busy, () -> predictTest(client)),
        () -> untilRefused(busy, () -> predictTest(client)),
        () -> untilRefused(busy, () -> teach(client, 1, 4)),
        () -> untilRefused(busy, () -> client.status()),
        () -> {
          busy.await();
          service.close();
        });

    assertThatThrownBy(() -> predictTest(client)).isInstanceOf(ConnectException.class);
    try (OnlineService next = start(64)) {
      JsonObject learned = new Client(next.address()).status().getAsJsonObject("learned");
      assertThat(learned.get("steps").getAsLong()).isPositive();
    }
  }

  @Test
  void learn_error_makesTheServiceUnhealthyAndNotMore() throws Exception {
    Settings settings = settings(64, new InetSocketAddress("127.0.0.1", 0));
    try (Network teacher = Teacher.load(shared.resolve("teacher.pt"), TEACHER_EPOCHS);
        OnlineModel model = new FailingModel(teacher, folder.resolve("checkpoint.retort"));
        Learner learner = Learner.start(model, settings);
        HttpFrontEnd frontEnd =
            HttpFrontEnd.start(new Api(model, learner), settings.address(), 2)) {
      Client client = new Client(frontEnd.address());
      assertThat(client.send("GET", "/health", "").body()).isEqualTo("{\"status\":\"up\"}");

      float[][] images = Client.images(Batch.of(Digits.load().test()));
      client.learn(Arrays.copyOf(images, 1), new Long[1]);
      while (client.send("GET", "/health", "").statusCode() == 200) {
        Thread.sleep(5);
      }
      String error = "learner must be running (got its end by StackOverflowError)";
      assertError(client.send("GET", "/health", ""), 503, error);
      assertError(client.learn(Arrays.copyOf(images, 1), new Long[1]), 503, error);
      assertThat(predictTest(client)).isNotEmpty();
    }
    assertThat(folder.resolve("checkpoint.retort")).isNotEmptyFile();
  }

  /** Fails as a step does that Java or JavaCPP has no memory for. */
  private static final class FailingModel extends OnlineModel {
    FailingModel(Network teacher, Path checkpoint) {
      super(teacher, checkpoint);
    }

    @Override
    synchronized void learn(FloatBuffer images, LongBuffer labels, StepResult result) {
      throw new StackOverflowError("a test");
    }
  }

  @Test
  void start_onTakenPort_failsAndLeavesNothingRunning() throws Exception {
    try (ServerSocket taken = new ServerSocket(0)) {
      InetSocketAddress address = new InetSocketAddress("127.0.0.1", taken.getLocalPort());
      assertThatThrownBy(() -> start(64, address)).isInstanceOf(IOException.class);
    }
    assertThat(Thread.getAllStackTraces().keySet())
        .noneMatch(thread -> thread.getName().equals("learner"));
  }

  @Test
  void start_damagedCheckpoint_saysSo() throws Exception {
    Files.writeString(folder.resolve("checkpoint.retort"), "nonsense");
    assertThatThrownBy(() -> start(64)).hasMessageContaining("checkpoint");
  }

  private OnlineService start(int queueCapacity) throws IOException {
    return start(queueCapacity, new InetSocketAddress("127.0.0.1", 0));
  }

  private OnlineService start(int queueCapacity, InetSocketAddress address) throws IOException {
    Path teacher = folder.resolve("teacher.pt");
    if (!Files.exists(teacher)) {
      Files.copy(shared.resolve("teacher.pt"), teacher);
    }
    return OnlineService.start(settings(queueCapacity, address));
  }

  private Settings settings(int queueCapacity, InetSocketAddress address) {
    return new Settings(address, folder, TEACHER_EPOCHS, 4, queueCapacity, BATCH, 5, 20);
  }

  /** Makes batches without a thread, which need not be closed. */
  private static DatasetBatches batches(long seed) {
    return DatasetBatches.builder(Digits.load().train())
        .size(BATCH)
        .seed(seed)
        .augmentation(Augmentation.shift(1))
        .prefetch(0)
        .build();
  }

  /** Sends batches of which every second image has a label; comes back as long as it shall. */
  private static void teach(Client client, int batches, long seed) throws Exception {
    DatasetBatches source = batches(seed);
    for (int i = 0; i < batches; i++) {
      if (i % source.stepsPerEpoch() == 0) {
        source.startEpoch(i / source.stepsPerEpoch());
      }
      Batch batch = source.next();
      Long[] labels = new Long[BATCH];
      for (int j = 0; j < BATCH; j += 2) {
        labels[j] = batch.labels().get(j);
      }
      HttpResponse<String> response = client.learn(Client.images(batch), labels);
      while (response.statusCode() == 503) {
        Thread.sleep(5);
        response = client.learn(Client.images(batch), labels);
      }
      assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
      assertThat(response.body()).isEqualTo("{\"accepted\":" + BATCH + "}");
    }
  }

  /** Predicts the test images and checks the answers; returns how many are right. */
  private static double accuracy(Client client) throws Exception {
    Batch test = Batch.of(Digits.load().test());
    float[][] images = Client.images(test);
    int correct = 0;
    for (int from = 0; from < images.length; from += SampleReader.MAX_IMAGES) {
      int to = Math.min(images.length, from + SampleReader.MAX_IMAGES);
      JsonArray predictions = predict(client, Arrays.copyOfRange(images, from, to));
      assertThat(predictions).hasSize(to - from);
      for (int i = from; i < to; i++) {
        correct += checkedClass(predictions.get(i - from)) == test.labels().get(i) ? 1 : 0;
      }
    }
    return (double) correct / images.length;
  }

  private static int checkedClass(JsonElement prediction) {
    double[] probabilities =
        prediction.getAsJsonObject().getAsJsonArray("probabilities").asList().stream()
            .mapToDouble(JsonElement::getAsDouble)
            .toArray();
    int best = prediction.getAsJsonObject().get("class").getAsInt();
    assertThat(probabilities).hasSize(OnlineModel.CLASSES);
    assertThat(Arrays.stream(probabilities).sum()).isCloseTo(1, within(1e-4));
    assertThat(Arrays.stream(probabilities).max()).hasValue(probabilities[best]);
    return best;
  }

  private static JsonArray predict(Client client, float[][] images) throws Exception {
    HttpResponse<String> response = client.predict(images);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return Client.json(response).getAsJsonArray("predictions");
  }

  private static String predictTest(Client client) throws Exception {
    float[][] images = Client.images(Batch.of(Digits.load().test()));
    return predict(client, Arrays.copyOf(images, SampleReader.MAX_IMAGES)).toString();
  }

  private static void assertRefusesBadRequests(Client client) throws Exception {
    String images = "{\"images\":[" + Client.BLANK + "]";
    assertBad(client, "", "body must be {");
    assertBad(client, "[]", "body must be {");
    assertBad(client, "{\"images\":", "body must be {");
    assertBad(client, "{\"images\":[[[0]]]}", "body must be {");
    assertBad(client, "{\"images\":[[\"one\"]]}", "body must be {");
    assertBad(client, "{\"images\":[null]}", "body must be {");
    assertBad(client, "{\"images\":[[NaN]]}", "body must be {");
    assertBad(client, "{\"images\":[[1e999]]}", "body must be {");
    assertBad(client, images + "} {}", "body must be {");
    assertBad(client, images + ",\"labels\":[2.5]}", "body must be {");
    assertBad(client, "[".repeat(10_000), "body must be {");
    assertBad(client, "{}", "images must be at least one (got none)");
    assertBad(client, "{\"images\":[]}", "images must be at least one (got none)");
    assertBad(client, "{\"image\":[]}", "names must be images and labels (got image)");
    assertBad(client, "{\"images\":[[0,1]]}", "image must have 64 values (got 2)");
    assertBad(client, images.replace("[0", "[0,0") + "}", "image must have 64 values (got more)");
    assertBad(
        client,
        images.replace("[0", "[-0.5") + "}",
        "image must have values from 0 to 1 (got -0.5)");
    assertBad(
        client,
        "{\"images\":["
            + (Client.BLANK + ",").repeat(SampleReader.MAX_IMAGES)
            + Client.BLANK
            + "]}",
        "images must be at most 64 (got more)");
    assertBad(client, images + ",\"labels\":[10]}", "label must be null or from 0 to 9 (got 10)");
    assertBad(client, images + ",\"labels\":[-1]}", "label must be null or from 0 to 9 (got -1)");
    assertError(
        client.send("POST", "/learn", images + ",\"labels\":[1,2]}"),
        400,
        "labels must be 1, one per image (got 2)");
    assertError(
        client.send("POST", "/predict", images + ",\"labels\":[1]}"),
        400,
        "labels must not be given (got 1)");
    assertError(
        client.send("POST", "/predict", " ".repeat(HttpFrontEnd.MAX_BODY + 1)),
        413,
        "body must have at most 262144 bytes (got more)");
    assertError(client.send("GET", "/predict", ""), 405, "method must be POST (got GET)");
    assertError(client.send("DELETE", "/status", ""), 405, "method must be GET (got DELETE)");
    assertThat(client.send("PUT", "/save", "").headers().firstValue("Allow")).contains("POST");
    assertThat(client.send("HEAD", "/save", "").statusCode()).isEqualTo(405);
    assertError(client.send("POST", "/", ""), 404, "path must be one of");
    assertError(client.send("POST", "/predict/now", ""), 404, "path must be one of");
  }

  /** Expects both that take samples to refuse these. */
  private static void assertBad(Client client, String body, String message) throws Exception {
    assertError(client.send("POST", "/predict", body), 400, message);
    assertError(client.send("POST", "/learn", body), 400, message);
  }

  private static void assertError(HttpResponse<String> response, int status, String message) {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    assertThat(response.body().lines()).hasSize(1);
    assertThat(Client.json(response).get("error").getAsString()).startsWith(message);
  }

  private static void repeat(AtomicBoolean goOn, Threads.Task task) throws Exception {
    do {
      task.run();
    } while (goOn.get());
  }

  /** Goes on until the service is gone; an answer that comes must be a good one. */
  private static void untilRefused(CountDownLatch busy, Threads.Task task) throws Exception {
    try {
      while (true) {
        task.run();
        busy.countDown();
      }
    } catch (IOException e) {
      assertThat(busy.getCount()).as("closed while busy: %s", e).isZero();
    }
  }
}
