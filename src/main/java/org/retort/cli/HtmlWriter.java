package org.retort.cli;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;

/** Writes HTML, in which every text and every value of an attribute is escaped. */
final class HtmlWriter {
  private static final Set<String> VOID = Set.of("img", "meta", "br");

  private final StringBuilder html = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /**
   * Opens an element.
   *
   * @param attributes alternating names and values
   */
  HtmlWriter open(String element, String... attributes) {
    html.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      html.append(' ').append(attributes[i]).append("=\"").append(escaped(attributes[i + 1]));
      html.append('"');
    }
    html.append('>');
    if (!VOID.contains(element)) {
      open.push(element);
    }
    return this;
  }

  /** Closes the most recently opened element. */
  HtmlWriter close() {
    html.append("</").append(open.pop()).append('>');
    return this;
  }

  /** Closes the most recently opened element, and ends the line. */
  HtmlWriter closeLine() {
    close();
    html.append('\n');
    return this;
  }

  /** Writes text. */
  HtmlWriter text(String text) {
    html.append(escaped(text));
    return this;
  }

  /** Writes an element that contains text. */
  HtmlWriter element(String element, String text, String... attributes) {
    return open(element, attributes).text(text).close();
  }

  /** Writes our own HTML, unescaped. */
  HtmlWriter raw(String markup) {
    html.append(markup);
    return this;
  }

  /** Returns what was written; every element is closed. */
  String html() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("HtmlWriter: elements must be closed (got " + open + ")");
    }
    return html.toString();
  }

  /** Returns a text escaped for HTML, including within quotes; control characters are replaced. */
  static String escaped(String text) {
    StringBuilder escaped = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char letter = text.charAt(i);
      switch (letter) {
        case '&' -> escaped.append("&amp;");
        case '<' -> escaped.append("&lt;");
        case '>' -> escaped.append("&gt;");
        case '"' -> escaped.append("&quot;");
        case '\'' -> escaped.append("&#39;");
        case '\n', '\t' -> escaped.append(letter);
        default -> escaped.append(Character.isISOControl(letter) ? '\ufffd' : letter);
      }
    }
    return escaped.toString();
  }
}
