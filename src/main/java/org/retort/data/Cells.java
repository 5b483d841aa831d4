package org.retort.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The cells of one column of a table, four bytes each: numbers, or the indices of texts in a list
 * of the distinct ones. A column that may be either has such a list until it gets too long; then it
 * becomes one of numbers, even with a few other texts.
 */
final class Cells {
  /** The type of a column according to its options. */
  enum Kind {
    NUMBERS,
    TEXTS,
    EITHER
  }

  private static final int MISSING = -1;
  private static final int FIRST_CAPACITY = 1024;

  private final Kind kind;
  private final int mostTexts;

  /** The distinct texts, and the number that each is, NaN if it is none. */
  private final List<String> texts = new ArrayList<>();

  private final Map<String, Integer> codeOf = new HashMap<>();
  private float[] valueOf = new float[0];

  private int @Nullable [] codes; // of the rows; null if the cells are numbers
  private float @Nullable [] numbers; // of the rows; NaN for a missing one and for other texts
  private final Map<Integer, String> others = new HashMap<>(); // by row, in a column of numbers
  private int size;

  /** Starts a column with at most {@code mostTexts} distinct texts. */
  Cells(Kind kind, int mostTexts) {
    this.kind = kind;
    this.mostTexts = mostTexts;
    if (kind == Kind.NUMBERS) {
      numbers = new float[FIRST_CAPACITY];
    } else {
      codes = new int[FIRST_CAPACITY];
    }
  }

  /** Adds a cell, null for a missing one. Returns the rule that it breaks, or null. */
  @Nullable String add(@Nullable String text) {
    if (codes != null) {
      int code = text == null ? MISSING : code(text);
      if (code < texts.size()) {
        codes = codes.length > size ? codes : Arrays.copyOf(codes, larger());
        codes[size++] = code;
        return null;
      }
      if (kind == Kind.TEXTS) {
        return tooMany();
      }
      toNumbers();
    }
    return addNumber(text);
  }

  /** Returns the index of a text, possibly a new one; the number of texts if there are too many. */
  private int code(String text) {
    Integer known = codeOf.get(text);
    if (known != null) {
      return known;
    }
    int code = texts.size();
    if (code == mostTexts) {
      return code;
    }
    texts.add(text);
    codeOf.put(text, code);
    valueOf = valueOf.length > code ? valueOf : Arrays.copyOf(valueOf, 2 * code + 16);
    valueOf[code] = NumberText.value(text);
    return code;
  }

  private void toNumbers() {
    float[] values = new float[Math.max(codes.length, FIRST_CAPACITY)];
    for (int row = 0; row < size; row++) {
      values[row] = number(row);
      if (Float.isNaN(values[row]) && !isMissing(row) && others.size() <= mostTexts) {
        others.put(row, texts.get(codes[row]));
      }
    }
    numbers = values;
    codes = null;
    texts.clear();
    codeOf.clear();
    valueOf = new float[0];
  }

  private @Nullable String addNumber(@Nullable String text) {
    float value = text == null ? Float.NaN : NumberText.value(text);
    if (text != null && kind == Kind.NUMBERS && !Float.isFinite(value)) {
      return ruleOfNumbers(value);
    }
    if (text != null && Float.isNaN(value)) {
      others.put(size, text);
    }
    if (others.size() > mostTexts) { // later ones are not even kept
      return Float.isNaN(value) ? ruleOfEither(mostTexts) : tooMany();
    }
    numbers = numbers.length > size ? numbers : Arrays.copyOf(numbers, larger());
    numbers[size++] = value;
    return null;
  }

  private int larger() {
    return (int) Math.min(size + size / 2L + FIRST_CAPACITY, Integer.MAX_VALUE - 8);
  }

  static String ruleOfNumbers(float value) {
    return Float.isNaN(value) ? "be a number" : "be finite and within float32's range";
  }

  /** Returns the rule for a column that has too many texts to be one of categories. */
  static String ruleOfEither(int mostTexts) {
    return "be a number, or its column have " + mostTexts + " different texts at most";
  }

  private String tooMany() {
    return "be one of " + mostTexts + " different texts at most";
  }

  boolean isMissing(int row) {
    return codes == null
        ? Float.isNaN(numbers[row]) && !others.containsKey(row)
        : codes[row] == MISSING;
  }

  /**
   * Returns the number in a row: NaN if it is missing or not a number, infinite if out of range.
   */
  float number(int row) {
    if (codes == null) {
      return numbers[row];
    }
    return codes[row] == MISSING ? Float.NaN : valueOf[codes[row]];
  }

  /** Returns whether texts are known, as {@link #code} and {@link #texts}. */
  boolean hasTexts() {
    return codes != null;
  }

  /** Returns the index of a row's text in {@link #texts}, negative if it is missing. */
  int code(int row) {
    return codes[row];
  }

  /** Returns the index of a text that is present. */
  int codeOf(String text) {
    return codeOf.get(text);
  }

  /** Returns the distinct texts, in the order in which they were found. */
  List<String> texts() {
    return texts;
  }

  /** Returns what messages show for a row. */
  String text(int row) {
    if (codes != null) {
      return codes[row] == MISSING ? "" : texts.get(codes[row]);
    }
    String other = others.get(row);
    return other == null ? Float.toString(numbers[row]) : other;
  }
}
