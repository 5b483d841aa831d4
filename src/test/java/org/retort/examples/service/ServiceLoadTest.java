package org.retort.examples.service;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.Batch;
import org.retort.data.Digits;
import org.retort.testing.ChildJvm;
import org.retort.testing.Threads;

/** Many clients of a service, some of which send garbage, before and while it learns. */
@Tag("soak")
@EnabledIfSystemProperty(
    named = "retort.soak.load",
    matches = "\\d+",
    disabledReason = "a service is warm after minutes")
final class ServiceLoadTest {
  /** Half of them before it learns. */
  private static final long SECONDS = Long.getLong("retort.soak.load", 60);

  private static final int CLIENTS = 64;
  private static final int TERMINATED = 143;

  /** One request in so many is garbage. */
  private static final int GARBAGE_EVERY = 16;

  /** What the process may grow by once it has answered for a while, its heap being there whole. */
  private static final long SLACK_BYTES = 20_000_000;

  /** What must be refused, and how. */
  private record Garbage(String method, String path, String body, int status) {}

  private static final List<Garbage> GARBAGE =
      List.of(
          new Garbage("POST", "/predict", "", 400),
          new Garbage("POST", "/predict", "\u0000\uffff\ud7ff{", 400),
          new Garbage("POST", "/predict", "{\"images\":[" + Client.BLANK, 400),
          new Garbage("POST", "/predict", "{\"images\":[[1e999]]}", 400),
          new Garbage("POST", "/learn", "{\"images\":[" + Client.BLANK + "],\"labels\":[10]}", 400),
          new Garbage("POST", "/learn", "[".repeat(10_000), 400),
          new Garbage("POST", "/predict", " ".repeat(HttpFrontEnd.MAX_BODY + 1), 413),
          new Garbage("PUT", "/learn", Client.BLANK, 405),
          new Garbage("POST", "/../../etc/passwd", Client.BLANK, 404));

  private static final List<String> REQUESTS = requests();

  @TempDir private Path folder;

  /** What a client measures. */
  private static final class Latencies {
    private final List<Long> nanos = new ArrayList<>();

    void add(long elapsed) {
      nanos.add(elapsed);
    }

    static String summary(List<Latencies> all) {
      long[] sorted =
          all.stream()
              .flatMapToLong(one -> one.nanos.stream().mapToLong(n -> n))
              .sorted()
              .toArray();
      return String.format(
          Locale.ROOT,
          "%d predictions, p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms",
          sorted.length,
          quantile(sorted, 0.5),
          quantile(sorted, 0.99),
          quantile(sorted, 0.999));
    }

    private static double quantile(long[] sorted, double fraction) {
      return sorted[(int) (fraction * (sorted.length - 1))] / 1e6;
    }
  }

  @Test
  void predict_manyClientsAndGarbage_getsRightAnswersInBoundedMemory() throws Exception {
    // as a service runs: compiled by C2, and without the checks of JNI calls
    List<String> options =
        List.of(
            "-XX:-CheckJNICalls",
            "-XX:TieredStopAtLevel=4",
            "-Xms128m",
            "-Xmx128m",
            "-XX:+AlwaysPreTouch");
    try (ChildJvm child =
        ChildJvm.start(
            folder,
            options,
            DigitsService.class,
            "--port=0",
            "--folder=.",
            "--teacher-epochs=1",
            "--save-every=100")) {
      InetSocketAddress address = RunningService.address(child);
      Client client = new Client(address);
      List<String> right = answers(client);
      load(address, SECONDS * 0.1, right);
      long bytes = child.residentBytes();

      System.out.println("without training: " + load(address, SECONDS * 0.4, right));
      String[] learning = new String[1];
      long end = after(SECONDS * 0.5);
      Threads.runAll(
          () -> teach(client, end),
          () -> vandalise(address, end),
          () -> learning[0] = load(address, SECONDS * 0.5, List.of()));
      System.out.println("with training: " + learning[0]);

      long grown = child.residentBytes() - bytes;
      System.out.printf(Locale.ROOT, "grown by %.1f MB%n", grown / 1e6);
      assertThat(grown).as("bytes that the process has grown by").isLessThan(SLACK_BYTES);
      awaitEmptyQueue(client);
      load(address, SECONDS * 0.1, answers(client));
      assertThat(client.status().getAsJsonObject("learned").get("failures").getAsLong()).isZero();
      child.signal("TERM");
      assertThat(child.await()).as(child.output()).isEqualTo(TERMINATED);
      assertThat(child.output()).doesNotContain("failed").doesNotContain("Exception");
    }
  }

  /**
   * Lets all clients ask for some time.
   *
   * @param right the answers to the requests, or none: then each image of a request is sent twice
   *     and must get the same answer both times
   */
  private static String load(InetSocketAddress address, double seconds, List<String> right)
      throws Exception {
    Client client = new Client(address);
    long end = after(seconds);
    List<Latencies> all = IntStream.range(0, CLIENTS).mapToObj(i -> new Latencies()).toList();
    Threads.runAll(
        IntStream.range(0, CLIENTS)
            .<Threads.Task>mapToObj(i -> () -> ask(client, i, end, right, all.get(i)))
            .toArray(Threads.Task[]::new));
    return Latencies.summary(all);
  }

  private static void ask(
      Client client, int number, long end, List<String> right, Latencies latencies)
      throws Exception {
    Random random = new Random(number);
    for (int i = number; i == number || System.nanoTime() < end; i++) {
      if (i % GARBAGE_EVERY == 0) {
        sendGarbage(client, GARBAGE.get(random.nextInt(GARBAGE.size())));
      }
      int request = random.nextInt(REQUESTS.size());
      long start = System.nanoTime();
      HttpResponse<String> response = client.send("POST", "/predict", REQUESTS.get(request));
      latencies.add(System.nanoTime() - start);
      assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
      if (right.isEmpty()) {
        assertTwice(Client.json(response).getAsJsonArray("predictions"));
      } else {
        assertThat(response.body()).isEqualTo(right.get(request));
      }
    }
  }

  /** An answer is all by the same weights, whatever is published meanwhile. */
  private static void assertTwice(JsonArray predictions) {
    int half = predictions.size() / 2;
    for (int i = 0; i < half; i++) {
      assertThat(predictions.get(half + i)).isEqualTo(predictions.get(i));
    }
  }

  private static void sendGarbage(Client client, Garbage garbage) throws Exception {
    HttpResponse<String> response = client.send(garbage.method(), garbage.path(), garbage.body());
    assertThat(response.statusCode()).as(response.body()).isEqualTo(garbage.status());
    assertThat(response.body().lines()).hasSize(1);
  }

  /** Sends what is not HTTP, and requests that end in the middle. */
  private static void vandalise(InetSocketAddress address, long end) throws Exception {
    Random random = new Random(1);
    byte[] noise = new byte[1000];
    byte[] half = "POST /predict HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{".getBytes();
    while (System.nanoTime() < end) {
      random.nextBytes(noise);
      for (byte[] bytes : List.of(noise, half)) {
        try (Socket socket = new Socket(address.getAddress(), address.getPort());
            OutputStream out = socket.getOutputStream()) {
          out.write(bytes);
        } catch (IOException e) {
          // the service has hung up
        }
      }
      Thread.sleep(100);
    }
  }

  /** Teaches as fast as the service learns. */
  private static void teach(Client client, long end) throws Exception {
    Batch train = Batch.of(Digits.load().train());
    float[][] images = Arrays.copyOf(Client.images(train), SampleReader.MAX_IMAGES);
    Long[] labels =
        LongStream.range(0, images.length)
            .mapToObj(i -> train.labels().get((int) i))
            .toArray(Long[]::new);
    while (System.nanoTime() < end) {
      int status = client.learn(images, labels).statusCode();
      assertThat(status).isIn(200, 503);
      if (status == 503) {
        Thread.sleep(5);
      }
    }
  }

  private static void awaitEmptyQueue(Client client) throws Exception {
    long taught = -1;
    while (true) {
      long learned = client.status().getAsJsonObject("learned").get("samples").getAsLong();
      if (client.status().get("queued").getAsLong() == 0 && learned == taught) {
        client.send("POST", "/save", ""); // which publishes what was learned last
        return;
      }
      taught = learned;
      Thread.sleep(300);
    }
  }

  private static List<String> answers(Client client) throws Exception {
    List<String> answers = new ArrayList<>();
    for (String request : REQUESTS) {
      answers.add(client.send("POST", "/predict", request).body());
    }
    return answers;
  }

  /** Returns requests of 1 to 16 digits, each of which is there twice. */
  private static List<String> requests() {
    float[][] images = Arrays.copyOf(Client.images(Batch.of(Digits.load().test())), 16);
    List<String> requests = new ArrayList<>();
    for (int count = 1; count <= images.length; count *= 2) {
      float[][] request = Arrays.copyOf(images, 2 * count);
      System.arraycopy(images, 0, request, count, count);
      requests.add(Client.body(request));
    }
    return requests;
  }

  private static long after(double seconds) {
    return System.nanoTime() + (long) (seconds * 1e9);
  }
}
