package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterProperty;
import net.jqwik.api.lifecycle.BeforeProperty;

/** Tables of any texts, written as RFC 4180 says and read again. */
final class TablePropertyTest {
  private Path file;

  /**
   * A table.
   *
   * @param texts the cells, rows of a column of texts, one of numbers and the label
   * @param separator between fields
   * @param lineBreak after rows
   * @param mark whether it begins with a byte order mark
   */
  record Random(List<List<String>> texts, char separator, String lineBreak, boolean mark) {
    String written() {
      String header = String.join(String.valueOf(separator), "\"a\"", "number", "kind");
      return (mark ? "\ufeff" : "")
          + header
          + texts.stream()
              .map(
                  row ->
                      row.stream()
                          .map(this::field)
                          .collect(Collectors.joining(String.valueOf(separator))))
              .collect(Collectors.joining(lineBreak, lineBreak, lineBreak));
    }

    /** Quoted if it must be, and sometimes if not. */
    private String field(String text) {
      boolean isPlain = text.matches("[\\w.+\\-]*") && text.hashCode() % 2 == 0;
      return isPlain ? text : '"' + text.replace("\"", "\"\"") + '"';
    }
  }

  @BeforeProperty
  void makeFile() throws IOException {
    file = Files.createTempFile("table", ".csv");
  }

  @AfterProperty
  void deleteFile() throws IOException {
    Files.delete(file);
  }

  @Provide
  Arbitrary<Random> tables() {
    Arbitrary<String> texts =
        Arbitraries.strings()
            .withChars("ab \",;\t\r\n'#\\äß中\u2028\u0001\ufeff1.")
            .ofMaxLength(6)
            .map(text -> "t" + text);
    Arbitrary<Float> numbers =
        Arbitraries.integers().map(Float::intBitsToFloat).filter(Float::isFinite);
    Arbitrary<List<String>> row =
        Combinators.combine(texts, numbers.map(String::valueOf), texts)
            .as((text, number, kind) -> List.of(text, number, kind));
    return Combinators.combine(
            row.list().ofMinSize(2).ofMaxSize(12),
            Arbitraries.of(',', ';', '\t', '|'),
            Arbitraries.of("\n", "\r\n"),
            Arbitraries.of(true, false))
        .as(Random::new)
        .filter(table -> table.texts().stream().map(cells -> cells.get(2)).distinct().count() > 1);
  }

  @Property(tries = 300, seed = "20261128", edgeCases = EdgeCasesMode.NONE)
  void read_anyTable_hasItsTexts(@ForAll("tables") Random random) {
    TableOptions options = TableOptions.of("kind").withSeparator(random.separator()).withMissing();
    Table table = read(random.written(), options);
    TableDataset data = TableDataset.of(table, table.fit());
    assertThat(texts(data)).isEqualTo(random.texts());

    TableColumns columns = copied(data.columns());
    assertThat(columns).isEqualTo(data.columns());
    assertThat(TableDataset.open(file, columns).fingerprint()).isEqualTo(data.fingerprint());
    int[] lines = IntStream.range(0, data.size()).map(data::line).toArray();
    assertThat(lines).isEqualTo(lines(random));
  }

  private Table read(String text, TableOptions options) {
    try {
      return Table.read(Files.writeString(file, text), options);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static TableColumns copied(TableColumns columns) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    columns.write(out);
    return TableColumns.read(new ByteArrayInputStream(out.toByteArray()));
  }

  /** What the features, and the names of features and classes, say of each row. */
  private static List<List<String>> texts(TableDataset data) {
    List<String> names = data.columns().categories("a");
    List<List<String>> texts = new ArrayList<>();
    for (int i = 0; i < data.size(); i++) {
      float[] values = Values.of(data, i);
      assertThat(values).hasSize(names.size() + 1);
      int[] ones = IntStream.range(0, names.size()).filter(at -> values[at] == 1).toArray();
      assertThat(ones).hasSize(1);
      texts.add(
          List.of(
              names.get(ones[0]),
              String.valueOf(values[names.size()]),
              data.classNames().get(data.label(i))));
    }
    return texts;
  }

  /** Where rows begin: after the lines of all cells before, of which one may have several. */
  private static int[] lines(Random random) {
    int[] lines = new int[random.texts().size()];
    int line = 2;
    for (int i = 0; i < lines.length; i++) {
      lines[i] = line;
      line += 1;
      for (String text : random.texts().get(i)) {
        line += text.split("\r\n|\r|\n", -1).length - 1;
      }
    }
    return lines;
  }

  @Property(tries = 300, seed = "20261128", edgeCases = EdgeCasesMode.NONE)
  void row_anyTable_isThatOfTheFile(@ForAll("tables") Random random) {
    TableOptions options = TableOptions.of("kind").withSeparator(random.separator()).withMissing();
    Table table = read(random.written(), options);
    TableDataset data = TableDataset.of(table, table.fit());
    for (int i = 0; i < data.size(); i++) {
      List<String> texts = random.texts().get(i);
      assertThat(data.columns().row(Map.of("a", texts.get(0), "number", texts.get(1))))
          .isEqualTo(Values.of(data, i));
    }
  }
}
