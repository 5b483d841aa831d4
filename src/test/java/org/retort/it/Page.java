package org.retort.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A page of the documentation: its blocks of code, what its text has as code, and its links. */
record Page(String file) {
  static final Page README = new Page("README.md");

  private static final Pattern FENCE = Pattern.compile("```(.*)");
  private static final Pattern CODE = Pattern.compile("`([^`\n]+(?:\n[^`\n]+)?)`");
  private static final Pattern LINK = Pattern.compile("]\\(([^)\\s]+)\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.*)$");

  /** A block of code; its lines end with a line feed each. */
  record Block(String file, int line, String language, String text) {
    @Override
    public String toString() {
      return file + ":" + line + " " + language;
    }
  }

  /** Returns all pages. */
  static List<Page> all() {
    try (Stream<Path> docs = Files.list(Path.of("docs"))) {
      Stream<String> files = docs.map(Path::toString).filter(file -> file.endsWith(".md")).sorted();
      return Stream.concat(
              Stream.of(README.file, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"), files)
          .map(Page::new)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns all blocks. */
  List<Block> blocks() {
    List<Block> blocks = new ArrayList<>();
    String language = null;
    int start = 0;
    StringBuilder text = new StringBuilder();
    List<String> lines = text().lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      Matcher fence = FENCE.matcher(lines.get(i).strip());
      if (!fence.matches()) {
        text.append(language == null ? "" : lines.get(i) + "\n");
      } else if (language == null) {
        language = fence.group(1);
        start = i + 1;
      } else {
        blocks.add(new Block(file, start, language, text.toString()));
        language = null;
        text.setLength(0);
      }
    }
    if (language != null) {
      throw new AssertionError(file + ":" + start + " must end");
    }
    return blocks;
  }

  /** Returns the contents of all blocks of a language, for example {@code java}. */
  List<String> blocks(String language) {
    return blocks().stream()
        .filter(block -> block.language.equals(language))
        .map(Block::text)
        .toList();
  }

  /** Returns the content of the first block of a language. */
  String block(String language) {
    return blocks(language).stream()
        .findFirst()
        .orElseThrow(() -> new AssertionError(file + " must have a block of " + language));
  }

  /** Returns what the text between the blocks has in backticks, each in one line. */
  List<String> code() {
    return find(CODE).map(code -> code.replace('\n', ' ')).toList();
  }

  /** Returns where the links of the text between the blocks lead. */
  List<String> links() {
    return find(LINK).toList();
  }

  /** Returns what a link may have behind {@code #}, as GitHub makes it of headings. */
  List<String> anchors() {
    return find(HEADING)
        .map(heading -> heading.toLowerCase().replaceAll("[^\\w\\- ]", "").replace(' ', '-'))
        .toList();
  }

  private Stream<String> find(Pattern pattern) {
    String prose = text().replaceAll("(?ms)^ *```.*?^ *```$", "");
    return pattern.matcher(prose).results().map(found -> found.group(1));
  }

  private String text() {
    try {
      return Files.readString(Path.of(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
