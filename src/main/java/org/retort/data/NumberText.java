package org.retort.data;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Texts that may be numbers, and how messages show texts. */
final class NumberText {
  private static final int MOST_SHOWN = 40;
  private static final Set<String> INFINITE = Set.of("inf", "infinity");

  private NumberText() {}

  /**
   * Returns the float32 nearest to a decimal number such as {@code -1.5e3}: infinite if it is out
   * of range or given as infinite, NaN if it is not a number.
   */
  static float value(String text) {
    String number = text.strip(); // a quoted field may have spaces
    return isDecimal(number) ? Float.parseFloat(number) : infinity(number);
  }

  private static float infinity(String text) {
    boolean hasSign = text.startsWith("-") || text.startsWith("+");
    String unsigned = hasSign ? text.substring(1) : text;
    if (unsigned.length() > 8 || !INFINITE.contains(unsigned.toLowerCase(Locale.ROOT))) {
      return Float.NaN;
    }
    return text.startsWith("-") ? Float.NEGATIVE_INFINITY : Float.POSITIVE_INFINITY;
  }

  /** Java accepts more as a number, such as {@code 0x1p3}, {@code 1f} and {@code NaN}. */
  private static boolean isDecimal(String text) {
    int at = skipSign(text, 0);
    int whole = skipDigits(text, at);
    int digits = whole - at;
    at = whole;
    if (at < text.length() && text.charAt(at) == '.') {
      int fraction = skipDigits(text, at + 1);
      digits += fraction - at - 1;
      at = fraction;
    }
    if (digits == 0) {
      return false;
    }
    if (at < text.length() && (text.charAt(at) == 'e' || text.charAt(at) == 'E')) {
      int exponent = skipSign(text, at + 1);
      at = skipDigits(text, exponent);
      return at > exponent && at == text.length();
    }
    return at == text.length();
  }

  private static int skipSign(String text, int at) {
    boolean isSign = at < text.length() && (text.charAt(at) == '-' || text.charAt(at) == '+');
    return isSign ? at + 1 : at;
  }

  private static int skipDigits(String text, int from) {
    int at = from;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    return at;
  }

  /** Sorts names of classes or categories: by value if all are numbers, otherwise as texts. */
  static List<String> sorted(Collection<String> names) {
    Comparator<String> byText = Comparator.naturalOrder();
    boolean areNumbers = names.stream().map(String::strip).allMatch(NumberText::isDecimal);
    return names.stream()
        .sorted(
            areNumbers
                ? Comparator.<String>comparingDouble(Double::parseDouble).thenComparing(byText)
                : byText)
        .toList();
  }

  /** Returns a text of a file in quotes, on one line and not too long. */
  static String shown(String text) {
    return text.length() > MOST_SHOWN
        ? '"' + oneLine(text.substring(0, MOST_SHOWN)) + "…\""
        : '"' + oneLine(text) + '"';
  }

  /** Returns a text without line breaks and other control characters. */
  static String oneLine(String text) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char letter = text.charAt(i);
      boolean isPlain = !Character.isISOControl(letter) && letter != '\u2028' && letter != '\u2029';
      line.append(isPlain ? Character.toString(letter) : String.format("\\x%02x", (int) letter));
    }
    return line.toString();
  }
}
