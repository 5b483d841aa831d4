package org.retort.cli;

import java.util.List;
import java.util.stream.Collectors;

/** What {@code retort inspect} has found in data. */
interface Inspection {
  /** Returns it in words, in lines of {@code width} columns, each line ended. */
  String text(int width);

  /** Returns it as a record that becomes JSON. */
  Object document();

  /** Returns some samples of every class, or of many; none if they are no pictures. */
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
