package org.retort.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** The blocks of code in a page of the documentation. */
record Page(String file) {
  static final Page README = new Page("README.md");

  /** Returns the contents of all blocks of a language, for example {@code java}. */
  List<String> blocks(String language) {
    try {
      String text = Files.readString(Path.of(file));
      return Pattern.compile("(?s)\n```" + language + "\n(.*?)```\n")
          .matcher(text)
          .results()
          .map(block -> block.group(1))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the content of the first block of a language. */
  String block(String language) {
    return blocks(language).stream()
        .findFirst()
        .orElseThrow(() -> new AssertionError(file + " must have a block of " + language));
  }
}
