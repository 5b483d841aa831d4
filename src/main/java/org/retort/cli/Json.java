package org.retort.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes and reads all our JSON files. */
final class Json {
  private static final Gson GSON =
      new GsonBuilder()
          .setPrettyPrinting()
          .disableHtmlEscaping()
          .serializeNulls()
          .serializeSpecialFloatingPointValues()
          .create();

  private static final Gson LINES =
      new GsonBuilder().disableHtmlEscaping().serializeSpecialFloatingPointValues().create();

  private Json() {}

  /** Returns a record as JSON. */
  static String of(Object document) {
    return GSON.toJson(document) + "\n";
  }

  /** Returns a record as JSON on one line, without components that are null. */
  static String line(Object document) {
    return LINES.toJson(document) + "\n";
  }

  /** Writes a record as JSON. */
  static void write(Path file, Object document) throws IOException {
    AtomicFile.write(file, of(document).getBytes(StandardCharsets.UTF_8));
  }

  /** Reads a record from what {@link #of} returned. */
  static <T> T parse(String text, Class<T> type) {
    return GSON.fromJson(text, type);
  }

  /** Reads a record that was written as JSON. */
  static <T> T read(Path file, Class<T> type) throws IOException {
    try {
      T document = parse(Files.readString(file), type);
      if (document != null) {
        return document;
      }
    } catch (JsonParseException e) {
      // reported below, like an empty file
    }
    throw new IOException(file + " must be a file written by Retort (got something else)");
  }
}
