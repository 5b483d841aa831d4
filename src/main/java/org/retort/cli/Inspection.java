package org.retort.cli;

import java.util.List;
import java.util.stream.Collectors;

/** The findings of {@code retort inspect} about data. */
interface Inspection {
  /** Returns it as text, in lines of {@code width} columns, each line terminated. */
  String text(int width);

  /** Returns it as a record to be converted to JSON. */
  Object document();

  /** Returns some samples of every class, or of many; none if they are not pictures. */
  List<SamplesPicture.Row> samples();

  /** Returns the first of some names. */
  static String listed(List<String> names) {
    int most = 10;
    String first =
        names.stream()
            .limit(most)
            .map(name -> ShortText.inColumns(name, 40))
            .collect(Collectors.joining(", "));
    return names.size() > most ? first + ", … " + names.size() + " in all" : first;
  }

  /** Returns a number of things. */
  static String count(int count, String one, String many) {
    return count + " " + (count == 1 ? one : many);
  }
}
