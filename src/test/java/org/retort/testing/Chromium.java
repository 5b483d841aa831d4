package org.retort.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A real browser without a window and without a network.
 *
 * @param program where it is
 */
public record Chromium(Path program) {
  private static final List<String> NAMES =
      List.of("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
  private static final long MOST_SECONDS = 240;
  private static final byte[] PIXEL =
      Base64.getDecoder().decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==");

  /** Finds the browser on the path, if it is installed. */
  public static Optional<Chromium> find() {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return Stream.of(path.split(":", -1))
        .filter(folder -> !folder.isEmpty())
        .flatMap(folder -> NAMES.stream().map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst()
        .map(Chromium::new);
  }

  /**
   * Opens a page of a folder and returns the texts that it sends to {@code told}, in any order. The
   * page has an image {@code done}, which comes when all texts are there: the browser ends once
   * everything is loaded, however slow the machine is.
   *
   * @param folder what is served
   * @param page the file's name
   * @param count how many texts the page sends
   * @param work where the browser may write
   */
  public List<String> texts(Path folder, String page, int count, Path work)
      throws IOException, InterruptedException {
    List<String> texts = new CopyOnWriteArrayList<>();
    CountDownLatch all = new CountDownLatch(count);
    ExecutorService threads = Executors.newCachedThreadPool();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", request -> answer(request, folder));
    server.createContext(
        "/told",
        request -> {
          texts.add(new String(request.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
          answer(request, 200, "text/plain", new byte[0]);
          all.countDown();
        });
    server.createContext(
        "/done",
        request -> {
          await(all);
          answer(request, 200, "image/gif", PIXEL);
        });
    server.start();
    try {
      run(
          work,
          "--dump-dom",
          "http://127.0.0.1:%d/%s".formatted(server.getAddress().getPort(), page));
    } finally {
      server.stop(0);
      threads.shutdownNow();
    }
    return texts;
  }

  private static void await(CountDownLatch all) {
    try {
      all.await(MOST_SECONDS / 2, TimeUnit.SECONDS);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  private static void answer(HttpExchange request, Path folder) throws IOException {
    Path file = folder.resolve(request.getRequestURI().getPath().substring(1));
    if (Files.isRegularFile(file)) {
      answer(request, 200, "text/html", Files.readAllBytes(file));
    } else {
      answer(request, 404, "text/plain", new byte[0]);
    }
  }

  private static void answer(HttpExchange request, int status, String type, byte[] content)
      throws IOException {
    try (request) {
      request.getResponseHeaders().set("Content-Type", type);
      request.sendResponseHeaders(status, content.length == 0 ? -1 : content.length);
      request.getResponseBody().write(content);
    }
  }

  /** Draws a page. */
  public void screenshot(Path page, int width, int height, Path png, Path work)
      throws IOException, InterruptedException {
    run(
        work,
        "--hide-scrollbars",
        "--window-size=%d,%d".formatted(width, height),
        "--screenshot=" + png,
        page.toUri().toString());
  }

  private void run(Path work, String... arguments) throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(
                program.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "--user-data-dir=" + work.resolve("profile")));
    command.addAll(List.of(arguments));
    Path out = work.resolve("out.txt");
    Path log = work.resolve("log.txt");
    Process process =
        new ProcessBuilder(command)
            .redirectOutput(out.toFile())
            .redirectError(log.toFile())
            .start();
    try {
      boolean ended = process.waitFor(MOST_SECONDS, TimeUnit.SECONDS);
      if (!ended || process.exitValue() != 0) {
        throw new IOException(
            "%s must end well (got %s): %s"
                .formatted(
                    program,
                    ended ? "exit code " + process.exitValue() : "no end",
                    Files.readString(log)));
      }
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly().waitFor();
    }
  }
}
