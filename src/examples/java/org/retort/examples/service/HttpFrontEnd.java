package org.retort.examples.service;

import com.google.gson.Gson;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * HTTP and JSON around the {@link Api}: bounds what a request may take and turns whatever goes
 * wrong into an answer of one line, {@code {"error": "…"}}.
 */
final class HttpFrontEnd implements AutoCloseable {
  /** The longest body, in bytes. */
  static final int MAX_BODY = 256 * 1024;

  static {
    // The JDK's server has these as properties only. Without them a client may take as long as it
    // likes to send its request, and an answer waits 40 ms for the client's acknowledgement.
    setDefault("sun.net.httpserver.maxReqTime", "10"); // seconds
    setDefault("sun.net.httpserver.maxRspTime", "10");
    setDefault("sun.net.httpserver.nodelay", "true");
    setDefault("jdk.httpserver.maxConnections", "1000");
  }

  private static final Logger LOG = LoggerFactory.getLogger(HttpFrontEnd.class);
  private static final Gson GSON = new Gson();

  /** Requests that may wait for a thread; the server drops the connection of one more. */
  private static final int BACKLOG = 256;

  private static final int GRACE_SECONDS = 5;

  private static final int OK = 200;
  private static final int NOT_FOUND = 404;
  private static final int WRONG_METHOD = 405;
  private static final int TOO_LARGE = 413;
  private static final int INTERNAL_ERROR = 500;
  private static final int UNAVAILABLE = 503;

  private final Map<String, Api.Route> routes;
  private final HttpServer server;
  private final ThreadPoolExecutor threads;

  private HttpFrontEnd(Api api, HttpServer server, int httpThreads) {
    routes = api.routes();
    this.server = server;
    threads =
        new ThreadPoolExecutor(
            httpThreads, httpThreads, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(BACKLOG));
    server.setExecutor(threads);
    server.createContext("/", this::handle);
  }

  /** Opens the port and starts to answer. */
  static HttpFrontEnd start(Api api, InetSocketAddress address, int httpThreads)
      throws IOException {
    HttpFrontEnd frontEnd = new HttpFrontEnd(api, HttpServer.create(address, 0), httpThreads);
    frontEnd.server.start();
    return frontEnd;
  }

  InetSocketAddress address() {
    return server.getAddress();
  }

  /** Accepts nothing more, lets the requests that are running end, and waits for that. */
  @Override
  public void close() {
    server.stop(GRACE_SECONDS);
    Pools.close(threads);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      try {
        send(exchange, OK, answer(exchange));
      } catch (RequestException e) {
        send(exchange, e.status(), Map.of("error", e.getMessage()));
      } catch (RuntimeException e) { // the client need not know
        LOG.error("{} failed", exchange.getRequestURI(), e);
        send(exchange, INTERNAL_ERROR, Map.of("error", "internal error"));
      }
    }
  }

  private Object answer(HttpExchange exchange) throws IOException, RequestException {
    String path = exchange.getRequestURI().getPath();
    Api.Route route = routes.get(path);
    if (route == null) {
      throw new RequestException(
          NOT_FOUND, "path must be one of " + routes.keySet() + " (got " + path + ")");
    }
    String method = exchange.getRequestMethod();
    if (!method.equals(route.method())) {
      exchange.getResponseHeaders().set("Allow", route.method());
      throw new RequestException(
          WRONG_METHOD, "method must be " + route.method() + " (got " + method + ")");
    }
    byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
    if (body.length > MAX_BODY) {
      exchange.getResponseHeaders().set("Connection", "close");
      throw new RequestException(
          TOO_LARGE, "body must have at most " + MAX_BODY + " bytes (got more)");
    }
    return route.handler().answer(body);
  }

  private static void send(HttpExchange exchange, int status, Object answer) throws IOException {
    byte[] body = GSON.toJson(answer).getBytes(StandardCharsets.UTF_8);
    Headers headers = exchange.getResponseHeaders();
    headers.set("Content-Type", "application/json");
    if (status == UNAVAILABLE) {
      headers.set("Retry-After", "1");
    }
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.sendResponseHeaders(status, -1);
    } else {
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  private static void setDefault(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
