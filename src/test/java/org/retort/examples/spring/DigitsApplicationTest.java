package org.retort.examples.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.examples.service.Teacher;
import org.retort.models.Network;
import org.retort.testing.ChildJvm;
import org.retort.testing.Threads;
import org.retort.train.StepResult;
import org.retort.train.TrainingListener;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.core.annotation.Order;

/** Clients of the application on the loopback interface. */
final class DigitsApplicationTest {
  private static final int TEACHER_EPOCHS = 2;
  private static final int BATCHES = 90;
  private static final int BATCH = RunningApplication.BATCH;
  private static final int VALUES = Digits.SIDE * Digits.SIDE;
  private static final int TERMINATED = 143;
  private static final List<String> QUICK_START = List.of("-XX:TieredStopAtLevel=1");
  private static final String LIVENESS = "/actuator/health/liveness";
  private static final String READINESS = "/actuator/health/readiness";
  private static final String ZEROS = "[" + "0,".repeat(VALUES - 1) + "0]";

  @TempDir private static Path shared;
  @TempDir private Path folder;

  private static int threads;

  /** Where nothing is learned. */
  private static RunningApplication untaught;

  @BeforeAll
  static void start() throws Exception {
    threads = Retort.threads();
    Retort.manualSeed(1);
    Retort.threads(1);
    Teacher.load(shared.resolve("teacher.pt"), TEACHER_EPOCHS).close();
    untaught = RunningApplication.start(shared);
  }

  @AfterAll
  static void stop() {
    untaught.close();
    Retort.threads(threads);
  }

  @BeforeEach
  void copyTeacher() throws IOException {
    Files.copy(shared.resolve("teacher.pt"), folder.resolve("teacher.pt"));
  }

  /** Stands for what takes long before the first version is published. */
  @Order(0)
  private static final class Blocker implements ApplicationRunner {
    private final CountDownLatch entered = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);

    @Override
    public void run(ApplicationArguments arguments) throws InterruptedException {
      entered.countDown();
      released.await();
    }
  }

  @Test
  void readiness_refusesTrafficUntilTheFirstVersionIsPublished() throws Exception {
    Blocker blocker = new Blocker();
    try (RunningApplication application = RunningApplication.begin(folder, blocker)) {
      try {
        blocker.entered.await();
        assertThat(application.get(LIVENESS).statusCode()).isEqualTo(200);
        HttpResponse<String> readiness = application.get(READINESS);
        assertThat(readiness.statusCode()).isEqualTo(503);
        assertThat(readiness.body()).contains("the model is being loaded");
        assertStatus(application.health("learner"), "UNKNOWN");
        HttpResponse<String> refused = application.predict(new float[1][VALUES], 1);
        assertProblem(refused, 503, "model must be loaded (got none yet)");
        assertThat(refused.headers().firstValue("Retry-After")).contains("1");
      } finally {
        blocker.released.countDown();
      }
      application.awaitStart();

      assertThat(application.get(LIVENESS).statusCode()).isEqualTo(200);
      assertThat(application.get(READINESS).statusCode()).isEqualTo(200);
      assertStatus(application.health("learner"), "UP");
      assertThat(application.predict(new float[1][VALUES], 1).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void learn_raisesAccuracyAndIsMeasured_nextStartGoesOnThere() throws Exception {
    JsonObject learned;
    String prediction;
    try (RunningApplication application = RunningApplication.start(folder)) {
      assertThat(accuracy(application)).isLessThan(0.5);
      teach(application, BATCHES);
      learned = application.awaitLearned(BATCHES * BATCH);

      assertThat(accuracy(application)).isGreaterThan(0.75);
      assertThat(learned.get("loss").getAsDouble()).isPositive();
      assertThat(learned.get("failures").getAsInt()).isZero();
      assertThat(measurement(application, "retort.samples")).isEqualTo(BATCHES * BATCH);
      assertThat(measurement(application, "retort.loss"))
          .isEqualTo(learned.get("loss").getAsDouble());
      assertThat(measurement(application, "retort.checkpoints")).isPositive();
      assertThat(measurement(application, "digits.queued")).isZero();
      prediction = predictTest(application);
    }
    try (RunningApplication application = RunningApplication.start(folder)) {
      assertThat(predictTest(application)).isEqualTo(prediction);
      long steps = learned.get("steps").getAsLong();
      assertThat(application.awaitLearned(0).get("steps").getAsLong()).isEqualTo(steps);

      application.learn(images(1), new Long[1]);
      assertThat(application.awaitLearned(1).get("steps").getAsLong()).isEqualTo(steps + 1);
      assertThat(predictTest(application)).isNotEqualTo(prediction);
    }
  }

  @Test
  void predict_givesTheMostProbableClassesOfEachImage() throws Exception {
    float[][] images = images(2);
    JsonArray predictions =
        RunningApplication.json(untaught.predict(images, 3)).getAsJsonArray("predictions");

    assertThat(predictions).hasSize(2);
    for (int i = 0; i < 2; i++) {
      double[] probabilities = probabilities(images[i]);
      List<Integer> best =
          IntStream.range(0, Digits.CLASSES)
              .boxed()
              .sorted((a, b) -> Double.compare(probabilities[b], probabilities[a]))
              .limit(3)
              .toList();
      JsonArray classes = predictions.get(i).getAsJsonArray();
      assertThat(classes)
          .extracting(prediction -> prediction.getAsJsonObject().get("label").getAsInt())
          .isEqualTo(best);
      for (JsonElement prediction : classes) {
        JsonObject values = prediction.getAsJsonObject();
        int label = values.get("label").getAsInt();
        assertThat(values.get("name").getAsString()).isEqualTo(String.valueOf(label));
        assertThat(values.get("probability").getAsDouble())
            .isCloseTo(probabilities[label], within(1e-5));
      }
    }
  }

  /** The softmax of what the network itself says. */
  private static double[] probabilities(float[] image) {
    FloatBuffer values = direct(VALUES).put(image).flip();
    FloatBuffer logits = direct(Digits.CLASSES);
    untaught.bean("student", Network.class).predict(values, logits);
    double[] exponentials =
        IntStream.range(0, Digits.CLASSES).mapToDouble(i -> Math.exp(logits.get(i))).toArray();
    double sum = Arrays.stream(exponentials).sum();
    return Arrays.stream(exponentials).map(value -> value / sum).toArray();
  }

  private static FloatBuffer direct(int values) {
    return ByteBuffer.allocateDirect(values * Float.BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "/predict | {'images': []} | images must be at least one (got none)",
        "/predict | {} | images must be at least one (got none)",
        "/predict | {'images': [[1, 2]]} | image must have 64 values (got 2)",
        "/predict | {'images': [null]} | image must have 64 values (got null)",
        "/predict | {'images': [ZEROS, NEGATIVE]} | image must have values from 0 to 1 (got -0.5)",
        "/predict | {'images': [HUGE]} | image must have values from 0 to 1 (got Infinity)",
        "/predict?top=0 | {'images': [ZEROS]} | top must be from 1 to 10 (got 0)",
        "/predict?top=11 | {'images': [ZEROS]} | top must be from 1 to 10 (got 11)",
        "/predict?top=x | {'images': [ZEROS]} | Failed to convert 'top' with value: 'x'",
        "/predict | {'images': MANY} | images must be at most 64 (got 65)",
        "/learn | {'images': [ZEROS], 'labels': [1, 2]} | labels must be 1, one per image (got 2)",
        "/learn | {'images': [ZEROS], 'labels': [10]} | label must be null or from 0 to 9 (got 10)",
        "/learn | {'images': [ZEROS], 'labels': [-1]} | label must be null or from 0 to 9 (got -1)",
      })
  void badRequest_saysWhatMustBe(String path, String body, String detail) throws Exception {
    String json =
        body.replace('\'', '"')
            .replace("NEGATIVE", ZEROS.replaceFirst("0", "-0.5"))
            .replace("HUGE", ZEROS.replaceFirst("0", "1e400"))
            .replace("MANY", "[" + (ZEROS + ",").repeat(64) + ZEROS + "]")
            .replace("ZEROS", ZEROS);
    assertProblem(untaught.post(path, json), 400, detail);
    assertNothingLearned();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | none",
        "null | none",
        "{ | something else in line 1, column 2",
        "[] | something else in line 1, column 1",
        "{'images': [[1, '2']]} | something else in line 1, column 17",
        "{'images': [[1, null]]} | something else in line 1, column 17",
        "{'images': [[NaN]]} | something else in line 1, column 17",
        "{'images': [], 'labels': [1.5]} | something else in line 1, column 27",
        "{'image': []} | something else in line 1, column 14",
        "{} {} | something else in line 1, column 4",
      })
  void unreadableBody_saysWhatItMustBe(String body, String got) throws Exception {
    assertProblem(
        untaught.post("/learn", body.replace('\'', '"')),
        400,
        "body must be {\"images\": [[number, …], …]}, to learn with \"labels\": [number or null, …]"
            + " (got "
            + got
            + ")");
    assertNothingLearned();
  }

  @Test
  void bodyThatIsTooLong_isNotRead() throws Exception {
    int length = Gate.MAX_BODY + 1;
    assertProblem(
        untaught.post("/learn", " ".repeat(length)),
        413,
        "body must have at most 262144 bytes (got 262145)");
    assertProblem(
        untaught.send(
            "POST",
            "/learn",
            BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(new byte[length]))),
        411,
        "body must have a Content-Length (got none)");
    assertNothingLearned();
  }

  @Test
  void learn_fullQueue_takesNothingAndSaysWhenToRetry() throws Exception {
    int count = RunningApplication.QUEUE + 1;
    HttpResponse<String> response = untaught.learn(new float[count][VALUES], new Long[count]);

    assertProblem(response, 503, "queue must have room for the samples (got none)");
    assertThat(response.headers().firstValue("Retry-After")).contains("1");
    assertNothingLearned();
  }

  /** Throws what Java or JavaCPP throws that has no memory for a step. */
  private static final class Failure implements TrainingListener {
    @Override
    public void onStep(long step, StepResult result) {
      throw new StackOverflowError("a test");
    }
  }

  @Test
  void learn_error_makesTheServiceUnhealthyAndNotMore() throws Exception {
    try (RunningApplication application = RunningApplication.start(folder, new Failure())) {
      assertThat(application.get("/actuator/health").statusCode()).isEqualTo(200);

      application.learn(images(1), new Long[1]);
      while (application.get("/actuator/health").statusCode() == 200) {
        Thread.sleep(5);
      }
      JsonObject health = application.health("learner");
      assertStatus(health, "DOWN");
      assertThat(health.getAsJsonObject("details").get("error").getAsString())
          .isEqualTo("java.lang.StackOverflowError: a test");
      assertProblem(
          application.learn(images(1), new Long[1]),
          503,
          "learner must be running (got its end by StackOverflowError)");
      assertThat(application.get(LIVENESS).statusCode()).isEqualTo(200);
      assertThat(application.get(READINESS).statusCode()).isEqualTo(200);
      assertThat(predictTest(application)).isNotEmpty();
    }
    assertThat(folder.resolve("checkpoint.retort")).isNotEmptyFile();
  }

  @Test
  void close_underLoad_answersWhatItTookAndSaves() throws Exception {
    RunningApplication application = RunningApplication.start(folder);
    CountDownLatch busy = new CountDownLatch(30);
    float[][] images = images(BATCH);
    Threads.runAll(
        () -> untilRefused(busy, () -> application.predict(images, 1), 200),
        () -> untilRefused(busy, () -> application.predict(images, 1), 200),
        () -> untilRefused(busy, () -> application.learn(images, new Long[BATCH]), 202, 503),
        () -> untilRefused(busy, () -> application.get(LIVENESS), 200),
        () -> {
          busy.await();
          application.close();
        });

    try (RunningApplication next = RunningApplication.start(folder)) {
      assertThat(next.awaitLearned(0).get("steps").getAsLong()).isPositive();
    }
  }

  @Test
  void start_damagedCheckpoint_fails() throws Exception {
    Files.writeString(folder.resolve("checkpoint.retort"), "nonsense");
    assertThatThrownBy(() -> RunningApplication.start(folder))
        .hasStackTraceContaining(
            FileException.class.getName() + ": TrainingStep.load: file must be");
    assertThat(Thread.getAllStackTraces().keySet())
        .filteredOn(thread -> thread.getName().equals("learner"))
        .hasSize(1); // that of the other application
  }

  @Test
  void start_terminatedWhileTheTeacherIsTrained_endsAtOnce() throws Exception {
    Files.delete(folder.resolve("teacher.pt"));
    String[] options = {
      "--server.port=0",
      "--digits.folder=.",
      "--digits.teacher-epochs=20",
      "--logging.level.org.retort=info"
    };
    try (ChildJvm child = ChildJvm.start(folder, QUICK_START, DigitsApplication.class, options)) {
      while (!child.output().contains("training for 20 epochs")) {
        Thread.sleep(10);
      }
      child.signal("TERM");

      assertThat(child.await()).as(child.output()).isEqualTo(TERMINATED);
      assertThat(child.jniComplaints()).isEmpty();
      assertThat(child.output()).doesNotContain("FINISHED");
    }
  }

  @Test
  void start_withoutNatives_isAliveAndSaysWhy() throws Exception {
    List<String> options = new ArrayList<>(QUICK_START);
    options.add("-Dorg.bytedeco.javacpp.platform=linux-arm64");
    try (ChildJvm child = ChildJvm.start(folder, options, WithoutNatives.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output())
          .contains("liveness 200 ")
          .contains("readiness 503 ")
          .contains("health 503 ")
          .contains("predict 503 ")
          .containsPattern(
              "model 503 .*\"status\":\"DOWN\".*Retort: platform must be linux-x86_64"
                  + " \\(got linux-arm64\\)");
    }
  }

  /** What a process prints that can't load the natives. */
  static final class WithoutNatives {
    private WithoutNatives() {}

    public static void main(String... args) throws Exception {
      try (RunningApplication application = RunningApplication.start(Path.of("."))) {
        print("liveness", application.get(LIVENESS));
        print("readiness", application.get(READINESS));
        print("health", application.get("/actuator/health"));
        print("model", application.get("/actuator/health/model"));
        print("predict", application.predict(new float[1][VALUES], 1));
      }
    }

    private static void print(String name, HttpResponse<String> response) {
      System.out.println(name + " " + response.statusCode() + " " + response.body());
    }
  }

  /** What a client does. */
  @FunctionalInterface
  private interface Request {
    HttpResponse<String> send() throws Exception;
  }

  /** Goes on until the service is gone; an answer that comes must be a good one. */
  private static void untilRefused(CountDownLatch busy, Request request, Integer... good)
      throws Exception {
    try {
      while (true) {
        HttpResponse<String> response = request.send();
        if (isRefusedByTomcat(response)) {
          assertThat(busy.getCount()).as("refused while busy").isZero();
          return;
        }
        assertThat(response.statusCode()).as(response.body()).isIn((Object[]) good);
        busy.countDown();
      }
    } catch (IOException e) {
      assertThat(busy.getCount()).as("closed while busy: %s", e).isZero();
    }
  }

  /**
   * Returns whether the request did not reach the application. If Tomcat stops between the request
   * line and the headers, it intends 503, but checks for the Host header that it has not read, and
   * answers 400 with a page of its own. The application's 400 is JSON.
   */
  private static boolean isRefusedByTomcat(HttpResponse<String> response) {
    return response.statusCode() == 400
        && response.headers().firstValue("Content-Type").orElse("").startsWith("text/html");
  }

  /** Sends labelled batches, each as soon as there is room for it. */
  private static void teach(RunningApplication application, int batches) throws Exception {
    DatasetBatches source =
        DatasetBatches.builder(Digits.load().train()).size(BATCH).seed(1).prefetch(0).build();
    for (int i = 0; i < batches; i++) {
      if (i % source.stepsPerEpoch() == 0) {
        source.startEpoch(i / source.stepsPerEpoch());
      }
      Batch batch = source.next();
      Long[] labels = new Long[BATCH];
      for (int j = 0; j < BATCH; j += 2) {
        labels[j] = batch.labels().get(j);
      }
      HttpResponse<String> response = application.learn(images(batch, BATCH), labels);
      while (response.statusCode() == 503) {
        Thread.sleep(5);
        response = application.learn(images(batch, BATCH), labels);
      }
      assertThat(response.statusCode()).as(response.body()).isEqualTo(202);
      assertThat(response.body()).isEqualTo("{\"accepted\":" + BATCH + "}");
    }
  }

  /** Returns how many of the test images are predicted right. */
  private static double accuracy(RunningApplication application) throws Exception {
    Batch test = Batch.of(Digits.load().test());
    float[][] images = images(test, test.size());
    int correct = 0;
    for (int from = 0; from < images.length; from += 64) {
      int to = Math.min(images.length, from + 64);
      JsonArray predictions =
          RunningApplication.json(application.predict(Arrays.copyOfRange(images, from, to), 1))
              .getAsJsonArray("predictions");
      assertThat(predictions).hasSize(to - from);
      for (int i = from; i < to; i++) {
        JsonArray classes = predictions.get(i - from).getAsJsonArray();
        assertThat(classes).hasSize(1);
        int label = classes.get(0).getAsJsonObject().get("label").getAsInt();
        correct += label == test.labels().get(i) ? 1 : 0;
      }
    }
    return (double) correct / images.length;
  }

  private static String predictTest(RunningApplication application) throws Exception {
    HttpResponse<String> response = application.predict(images(20), Digits.CLASSES);
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return response.body();
  }

  private static double measurement(RunningApplication application, String meter) throws Exception {
    return RunningApplication.json(application.get("/actuator/metrics/" + meter))
        .getAsJsonArray("measurements")
        .get(0)
        .getAsJsonObject()
        .get("value")
        .getAsDouble();
  }

  /** Returns the first test images. */
  private static float[][] images(int count) {
    return images(Batch.of(Digits.load().test()), count);
  }

  private static float[][] images(Batch batch, int count) {
    FloatBuffer all = batch.images().duplicate();
    float[][] images = new float[count][VALUES];
    for (float[] image : images) {
      all.get(image);
    }
    return images;
  }

  private static void assertStatus(JsonObject health, String status) {
    assertThat(health.get("status").getAsString()).isEqualTo(status);
  }

  private static void assertProblem(HttpResponse<String> response, int status, String detail) {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    assertThat(response.headers().firstValue("Content-Type")).contains("application/problem+json");
    assertThat(RunningApplication.json(response).get("detail").getAsString()).isEqualTo(detail);
  }

  private static void assertNothingLearned() throws Exception {
    JsonObject learned = untaught.health("learner").getAsJsonObject("details");
    assertThat(learned.get("steps").getAsLong()).isZero();
    assertThat(learned.get("queued").getAsInt()).isZero();
  }
}
