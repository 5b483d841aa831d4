package org.retort.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The blocks of code in the README. */
final class Readme {
  private Readme() {}

  /** Returns the content of the first block of a language, for example {@code java}. */
  static String block(String language) {
    try {
      String text = Files.readString(Path.of("README.md"));
      Matcher block = Pattern.compile("(?s)\n```" + language + "\n(.*?)```\n").matcher(text);
      if (!block.find()) {
        throw new AssertionError("README.md must have a block of " + language);
      }
      return block.group(1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
