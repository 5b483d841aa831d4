package org.retort.data;

/** The library that reads and writes CSV; the rest of Retort works without it. */
final class CsvLibrary {
  private CsvLibrary() {}

  /** Requires the library; {@code function} is the caller's name. */
  static void require(String function) {
    try {
      Class.forName("org.apache.commons.csv.CSVFormat", false, CsvLibrary.class.getClassLoader());
    } catch (ClassNotFoundException missing) {
      throw new IllegalStateException(
          function
              + ": class path must have org.apache.commons:commons-csv, an optional dependency"
              + " (got none)",
          missing);
    }
  }
}
