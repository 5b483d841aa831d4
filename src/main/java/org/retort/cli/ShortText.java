package org.retort.cli;

import java.awt.FontMetrics;
import java.lang.Character.UnicodeScript;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Predicate;

/** Shortens names that do not fit. */
final class ShortText {
  /** An upper bound on the length of names that fit. */
  private static final int MOST_LETTERS = 200;

  private static final Set<UnicodeScript> WIDE =
      EnumSet.of(
          UnicodeScript.HAN, UnicodeScript.HIRAGANA, UnicodeScript.KATAKANA, UnicodeScript.HANGUL);

  private ShortText() {}

  /** Returns a text on one line, cut to at most {@code width} pixels in a picture. */
  static String inPixels(String text, FontMetrics font, int width) {
    return cut(text, part -> font.stringWidth(part) <= width);
  }

  /** Returns a text on one line, cut to at most {@code width} columns in a terminal. */
  static String inColumns(String text, int width) {
    return cut(text, part -> columns(part) <= width);
  }

  /** Returns the width of a line in a terminal, where Chinese characters take two columns each. */
  static int columns(String line) {
    return line.codePoints().map(ShortText::columns).sum();
  }

  private static int columns(int letter) {
    int type = Character.getType(letter);
    if (type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK) {
      return 0;
    }
    boolean isFullWidth = letter >= 0xff01 && letter <= 0xff60;
    boolean isEmoji = letter >= 0x1f300 && letter <= 0x1faff;
    return isFullWidth || isEmoji || WIDE.contains(UnicodeScript.of(letter)) ? 2 : 1;
  }

  /** Returns a line padded with spaces to a width in a terminal. */
  static String padded(String line, int width) {
    return line + " ".repeat(Math.max(0, width - columns(line)));
  }

  private static String cut(String text, Predicate<String> fits) {
    String line = text.replaceAll("[\\s\\p{Cntrl}]+", " ");
    if (line.length() <= MOST_LETTERS && fits.test(line)) {
      return line;
    }
    int[] letters = line.codePoints().limit(MOST_LETTERS).toArray();
    int fitting = 1; // at least one letter is shown
    int tooMany = letters.length + 1;
    while (tooMany - fitting > 1) { // measuring is slow
      int middle = (fitting + tooMany) / 2;
      if (fits.test(begun(letters, middle))) {
        fitting = middle;
      } else {
        tooMany = middle;
      }
    }
    return begun(letters, fitting);
  }

  private static String begun(int[] letters, int count) {
    return new String(letters, 0, count) + "…";
  }
}
