package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TableDatasetTest {
  private static final TableOptions OPTIONS = TableOptions.of("kind");

  /** Every thing that RFC 4180 allows, and a column that only looks like one of numbers. */
  private static final String PETS =
      """
      name,age,"zip, or area",kind
      "Tom ""the cat""\",3,10115,cat
      Rex,-1.5e0,00501,dog

      "two
      lines", +.5 ,"n/a",cat
      """;

  @TempDir private Path folder;

  @Test
  void line_afterFieldsOfSeveralLines_isThatOfTheFile() throws IOException {
    String text = "name,kind\n\"\nTom\",cat\n   \n\"Rex\r\n\",dog\n\"\r\rMax\",dog\nKim,cat\n";
    Table table = read(text, options -> options);
    assertThat(IntStream.range(0, 4).map(table::line)).containsExactly(2, 5, 7, 10);
  }

  @Test
  void read_quotesAndKinds_areThoseOfTheFile() throws IOException {
    Table table = read(PETS, options -> options);
    assertThat(table.size()).isEqualTo(3);
    assertThat(table.columnNames()).containsExactly("name", "age", "zip, or area");
    assertThat(table.classNames()).containsExactly("cat", "dog");
    assertThat(IntStream.range(0, 3).map(table::label)).containsExactly(0, 1, 0);
    assertThat(IntStream.range(0, 3).map(table::line)).containsExactly(2, 3, 5);
    TableColumns columns = table.fit();
    assertThat(columns.featureNames())
        .containsExactly(
            "name=Rex",
            "name=Tom \"the cat\"",
            "name=two\nlines",
            "age",
            "zip, or area=00501",
            "zip, or area=10115",
            "zip, or area=n/a");
    TableDataset data = TableDataset.of(table, columns);
    assertThat(data.shape()).isEqualTo(new ImageShape(7, 1, 1));
    assertThat(data.inputShape()).containsExactly(7);
    assertThat(Subset.of(data, 1).inputShape()).containsExactly(7);
    assertThat(Values.of(data, 0)).containsExactly(0, 1, 0, 3, 0, 1, 0);
    assertThat(Values.of(data, 1)).containsExactly(1, 0, 0, -1.5f, 1, 0, 0);
    assertThat(Values.of(data, 2)).containsExactly(0, 0, 1, 0.5f, 0, 0, 1);
    assertThat(data.label(1)).isEqualTo(1);
    assertThat(data.line(2)).isEqualTo(5);
    Values.assertOthersRejected("TableDataset", data);
    for (int other : new int[] {-1, 3}) {
      String rule = " must be between 0 and 2 (got %s)".formatted(other);
      assertIllegal(() -> data.line(other), "TableDataset.line: index" + rule);
      assertIllegal(() -> table.line(other), "Table.line: row" + rule);
      assertIllegal(() -> table.label(other), "Table.label: row" + rule);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {",", ";", "\t", "|", " "})
  void read_separatorMarkAndCompression_areHeeded(String separator) throws IOException {
    String text = "\ufeff\"a b\",kind\r\n1,\"x,;\t| y\"\r\n2,z".replace("1,", "1" + separator);
    text = text.replace("2,", "2" + separator).replace("\",kind", "\"" + separator + "kind");
    Path file = folder.resolve("data.csv.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    Table table = Table.read(file, OPTIONS.withSeparator(separator.charAt(0)));
    assertThat(table.columnNames()).containsExactly("a b");
    assertThat(table.classNames()).containsExactly("x,;\t| y", "z");
    assertThat(table.line(1)).isEqualTo(3);
    assertThat(Values.of(TableDataset.of(table, table.fit()), 1)).containsExactly(2);
  }

  /** As text, 10 would be before 9; one that is no number makes texts of all. */
  @Test
  void classNames_numbers_areSortedByValue() throws IOException {
    assertThat(read("a,kind\n1,10\n1,9\n1,-2\n1,1e3\n", options -> options).classNames())
        .containsExactly("-2", "9", "10", "1e3");
    assertThat(read("a,kind\n1,10\n1,9\n1,b\n", options -> options).classNames())
        .containsExactly("10", "9", "b");
    Table given = read("a,kind\n1,no\n1,yes\n", options -> options.withClasses("yes", "no", "?"));
    assertThat(given.classNames()).containsExactly("yes", "no", "?");
    assertThat(given.label(0)).isEqualTo(1);
    assertThat(given.fit().classNames()).isEqualTo(given.classNames());
  }

  @Test
  void columns_chosenAndTyped_areHeeded() throws IOException {
    String text = "id,kind,zip,b,a\n1,x,100,2,3\n2,y,20,4,5\n";
    assertThat(fit(text, options -> options.withColumns("a", "zip")).names())
        .containsExactly("a", "zip");
    assertThat(fit(text, options -> options.withIgnored("id", "b")).names())
        .containsExactly("zip", "a");
    TableColumns typed =
        fit(
            text,
            options -> options.withColumns("zip", "a").withCategories("zip").withNumbers("a"));
    assertThat(typed.featureNames()).containsExactly("zip=20", "zip=100", "a");
    assertThat(typed.categories("zip")).containsExactly("20", "100");
    assertThat(typed.categories("a")).isEmpty();
    assertIllegal(
        () -> typed.categories("b"),
        "TableColumns.categories: column must be one of [zip, a] (got b)");
  }

  /** A text outside of the training part does not make categories of a column. */
  @Test
  void fit_someRows_knowsTheirValuesOnly() throws IOException {
    Table table = read("a,b,kind\n1,u,x\n3,v,y\nmany,w,z\n", options -> options);
    TableColumns columns = table.fit(0, 1);
    assertThat(columns.featureNames()).containsExactly("a", "b=u", "b=v");
    assertThat(columns.classNames()).containsExactly("x", "y", "z");
    assertThat(columns.mean()).containsExactly(2, 0, 0);
    assertThat(columns.deviation()).containsExactly(1, 1, 1);
    assertFileRefused(
        () -> TableDataset.of(table, columns),
        "TableDataset.of: column \"a\" of line 4 of "
            + folder.resolve("data.csv")
            + " must be a number (got \"many\")");
    assertThat(table.fit(2).featureNames()).containsExactly("a=many", "b=w");
    assertIllegal(() -> table.fit(3), "Table.fit: row must be between 0 and 2 (got 3)");
    assertIllegal(() -> table.fit(new int[0]), "Table.fit: rows.length must be at least 1 (got 0)");
  }

  @Test
  void missingValues_mean_takesThePlace() throws IOException {
    String text = "a,b,kind\n1,u,x\n,v,y\n4,v,x\nNA,?,y\n,u,x\n";
    TableDataset data = data(text, options -> options.withMissingValues(MissingValues.MEAN));
    TableColumns columns = data.columns();
    assertThat(columns.mean()).containsExactly(2.5, 0, 0);
    assertThat(columns.deviation()).containsExactly(1.5, 1, 1);
    assertThat(Values.of(data, 1)).containsExactly(2.5f, 0, 1);
    assertThat(Values.of(data, 3)).containsExactly(2.5f, 1, 0); // u and v are as frequent
    assertThat(columns.row(map("a", "", "b", null))).containsExactly(2.5f, 1, 0);
  }

  @Test
  void missingValues_skipRow_leavesItOut() throws IOException {
    String text = "a,b,kind\n1,u,x\n,v,y\n4,,x\n5,v,y\n";
    Table table = read(text, options -> options.withMissingValues(MissingValues.SKIP_ROW));
    assertThat(table.size()).isEqualTo(2);
    assertThat(table.skippedRows()).isEqualTo(2);
    assertThat(table.line(1)).isEqualTo(5);
    Table ignoring =
        read(text, options -> options.withMissingValues(MissingValues.SKIP_ROW).withIgnored("b"));
    assertThat(ignoring.size()).isEqualTo(3);
    assertIllegal(
        () -> table.fit().row(map("a", "1", "b", "?")),
        "TableColumns.row: \"b\" must not be missing (got \"?\")");
  }

  @Test
  void missing_ownTexts_takeThePlaceOfTheOthers() throws IOException {
    TableDataset data =
        data(
            "a,b,kind\n1,,x\n-999,NA,y\n",
            options -> options.withMissing("-999").withMissingValues(MissingValues.MEAN));
    assertThat(data.columns().featureNames()).containsExactly("a", "b=", "b=NA");
    assertThat(Values.of(data, 1)).containsExactly(1, 0, 1);
  }

  @Test
  void open_anotherFile_isReadByTheColumns() throws IOException {
    TableColumns columns = fit("a,b,c,kind\n1,u,7,x\n2,v,8,y\n", options -> options);
    Path file = write("other.csv", "kind,more,c,b,a\ny,0,1e2,v,3\ny,0,1,u,-0\n");
    TableDataset data = TableDataset.open(file, columns);
    assertThat(Values.of(data, 0)).containsExactly(3, 0, 1, 100);
    assertThat(data.label(0)).isEqualTo(1);
    assertThat(data.classNames()).containsExactly("x", "y");
    TableDataset unlabeled = TableDataset.open(write("predicted.csv", "b,a,c\nu,3,4\n"), columns);
    assertThat(Values.of(unlabeled, 0)).containsExactly(3, 1, 0, 4);
    assertThat(unlabeled.label(0)).isEqualTo(Dataset.UNLABELED);
    assertThat(unlabeled.classes()).isEqualTo(2);
    assertThat(columns.row(map("a", "3", "b", " u", "c", "4 ", "kind", "?")))
        .isEqualTo(Values.of(unlabeled, 0));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "b,a,c\\nu,3,4,5 | line 2 | have 3 fields | 4",
        "b,a\\nu,3 | line 1 | have the column \"c\" | \"b\", \"a\"",
        "b,a,c\\nw,3,4 | column \"b\" of line 2 | be a category of the training part | \"w\"",
        "b,a,c\\nu,x,4 | column \"a\" of line 2 | be a number | \"x\"",
        "b,a,c\\nu,1d,4 | column \"a\" of line 2 | be a number | \"1d\"",
        "b,a,c\\nu,0x1p3,4 | column \"a\" of line 2 | be a number | \"0x1p3\"",
        "b,a,c\\nu,1e,4 | column \"a\" of line 2 | be a number | \"1e\"",
        "b,a,c\\nu,1,4\\nu,-1e39,4 | column \"a\" of line 3 | be finite and within float32's range"
            + " | \"-1e39\"",
        "b,a,c\\nu,-Infinity,4 | column \"a\" of line 2 | be finite and within float32's range |"
            + " \"-Infinity\"",
        "b,a,c\\nu,,4 | column \"a\" of line 2 | not be missing | \"\"",
        "b,a,c\\n\"?\",1,4 | column \"b\" of line 2 | not be missing | \"?\"",
        "b,a,c,kind\\nu,1,4,z | column \"kind\" of line 2 | be one of \"x\", \"y\" | \"z\"",
        "b,a,c,kind\\nu,1,4,NA | column \"kind\" of line 2 | not be missing | \"NA\"",
        "b,a,c | the rows | be at least one | none",
        "`` | the first line | have the names of the columns | no line",
        "b,a,c\\n\"u\"u,1,2 | the text after line 1 | be CSV | Invalid character between"
            + " encapsulated token and delimiter at line: 2, position: 10",
        "b,a,c\\nu,1,2\\n\"u,1,2 | the text after line 2 | be CSV | (startline 3) EOF reached before"
            + " encapsulated token finished",
      })
  void open_badContent_isRefused(String text, String where, String rule, String got)
      throws IOException {
    TableColumns columns = fit("a,b,c,kind\n1,u,7,x\n2,v,8,y\n", options -> options);
    Path file = write("bad.csv", text.replace("\\n", "\n"));
    assertFileRefused(
        () -> TableDataset.open(file, columns),
        "TableDataset.open: %s of %s must %s (got %s)".formatted(where, file, rule, got));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "a,,kind\\n | line 1 | have a name for every column | none for column 2",
        "a,b,a,kind\\n | line 1 | have another name for every column | \"a\" twice",
        "a,b\\n | line 1 | have the column \"kind\" | \"a\", \"b\"",
        "kind,zip\\nx,1\\n | line 1 | have a column that is used, beside the label | \"kind\","
            + " \"zip\"",
        "a,zip,kind\\n1,2,x\\n1,2,x\\n | column \"kind\" | have two classes | \"x\"",
        "a,zip,kind\\n1,2,x\\n1,2,\\n | column \"kind\" of line 3 | not be missing | \"\"",
        "a,zip,kind\\n1,2,x\\n,2,y\\n | column \"a\" of line 3 | not be missing | \"\"",
        "a,zip,kind\\n1,2,x\\n1,2\\n | line 3 | have 3 fields | 2",
      })
  void read_badContent_isRefused(String text, String where, String rule, String got)
      throws IOException {
    Path file = write("bad.csv", text.replace("\\n", "\n"));
    assertFileRefused(
        () -> Table.read(file, text.contains("zip") ? OPTIONS.withIgnored("zip") : OPTIONS),
        "Table.read: %s of %s must %s (got %s)".formatted(where, file, rule, got));
  }

  @Test
  void read_wrongNamesOfOptions_areRefused() throws IOException {
    Path file = write("data.csv", "a,b,kind\n1,2,x\n3,4,y\n");
    String rule = "Table.read: line 1 of " + file + " must have the column ";
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withColumns("A")),
        rule + "\"A\" (got \"a\", \"b\", \"kind\")");
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withIgnored("c")),
        rule + "\"c\" (got \"a\", \"b\", \"kind\")");
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withIgnored("b").withNumbers("b")),
        rule + "\"b\" that is used (got \"a\")");
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withCategories("c")),
        rule + "\"c\" that is used (got \"a\", \"b\")");
    assertIllegal(
        () -> OPTIONS.withColumns("a", "kind"),
        "TableOptions: columns must not have the label's column (got \"kind\")");
    assertIllegal(
        () -> OPTIONS.withColumns("a", "a"),
        "TableOptions: columns must not repeat one (got \"a\" twice)");
    assertIllegal(
        () -> OPTIONS.withNumbers("a").withCategories("b", "a"),
        "TableOptions: numbers must not be categories, too (got \"a\")");
    assertIllegal(
        () -> OPTIONS.withSeparator('"'),
        "TableOptions: separator must not be a quote, a line break or a byte order mark (got \")");
  }

  @Test
  void read_otherEncoding_isRefused() throws IOException {
    Path file = folder.resolve("latin1.csv");
    Files.write(file, "name,kind\nJos\u00e9,x\n".getBytes(StandardCharsets.ISO_8859_1));
    assertFileRefused(
        () -> Table.read(file, OPTIONS),
        "Table.read: the text after line 0 of " + file + " must be UTF-8 (got other bytes)");
    Path cut = folder.resolve("cut.csv.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(cut))) {
      out.write("a,kind\n1,x\n2,y\n".getBytes(StandardCharsets.UTF_8));
    }
    Files.write(cut, Arrays.copyOf(Files.readAllBytes(cut), 25));
    assertFileRefused(
        () -> Table.read(cut, OPTIONS),
        "Table.read: " + cut + " must be readable (got Unexpected end of ZLIB input stream)");
    Path none = folder.resolve("none.csv");
    assertFileRefused(
        () -> Table.read(none, OPTIONS), "Table.read: file must exist (got " + none + ")");
  }

  @Test
  void fit_columnWithoutAValueOrWithAnInfiniteOne_isRefused() throws IOException {
    Path file = write("data.csv", "a,b,kind\n,1,x\n,inf,y\n1,2,x\n");
    Table table = Table.read(file, OPTIONS.withMissingValues(MissingValues.MEAN));
    assertFileRefused(
        () -> table.fit(0, 1),
        "Table.fit: column \"a\" of "
            + file
            + " must have a value in a row of the training part"
            + " (got none)");
    assertFileRefused(
        () -> table.fit(),
        "Table.fit: column \"b\" of line 3 of "
            + file
            + " must be finite and within float32's"
            + " range (got \"inf\")");
    assertThat(table.fit(0, 2).mean()).containsExactly(1, 1.5);
  }

  @Test
  void unknownCategories_zeros_areZeros() throws IOException {
    UnaryOperator<TableOptions> zeros =
        options -> options.withUnknownCategories(UnknownCategories.ZEROS);
    Table table = read("a,kind\nu,x\nv,y\nw,x\n", zeros);
    TableColumns columns = table.fit(0, 1);
    TableDataset data = TableDataset.of(table, columns);
    assertThat(Values.of(data, 1)).containsExactly(0, 1);
    assertThat(Values.of(data, 2)).containsExactly(0, 0);
    assertThat(columns.row(map("a", "other"))).containsExactly(0, 0);
  }

  @Test
  void row_badValues_areRefused() throws IOException {
    TableColumns columns = fit("a,b,kind\n1,u,x\n2,v,y\n", options -> options);
    String rule = "TableColumns.row: ";
    assertIllegal(() -> columns.row(null), rule + "values must be given (got null)");
    assertIllegal(
        () -> columns.row(map("a", "1")), rule + "values must have the column \"b\" (got none)");
    assertIllegal(
        () -> columns.row(map("a", "one", "b", "u")),
        rule + "\"a\" must be a number (got \"one\")");
    assertIllegal(
        () -> columns.row(map("a", "1e40", "b", "u")),
        rule + "\"a\" must be finite and within float32's range (got \"1e40\")");
    assertIllegal(
        () -> columns.row(map("a", "1", "b", "w")),
        rule + "\"b\" must be a category of the training part (got \"w\")");
    assertIllegal(
        () -> columns.row(map("a", null, "b", "w")), rule + "\"a\" must not be missing (got null)");
  }

  /** Against exact decimals, far from 0, where a sum of squares would lose all digits. */
  @Test
  void meanAndDeviation_ofNumbers_areExact() throws IOException {
    Random random = new Random(1);
    float[] far = new float[5000];
    float[] wide = new float[5000];
    for (int i = 0; i < far.length; i++) {
      far[i] = 1e6f + random.nextInt(64) / 16f;
      wide[i] = (float) (random.nextGaussian() * Math.pow(10, random.nextInt(20)));
    }
    String text =
        IntStream.range(0, far.length)
            .mapToObj(i -> far[i] + "," + wide[i] + ",0.1," + i % 2)
            .collect(Collectors.joining("\n", "far,wide,same,kind\n", "\n"));
    TableColumns columns = fit(text, options -> options);
    assertMoments(columns, 0, far);
    assertMoments(columns, 1, wide);
    assertThat(columns.mean()[2]).isEqualTo((double) 0.1f);
    assertThat(columns.deviation()[2]).isEqualTo(1);
  }

  private static void assertMoments(TableColumns columns, int feature, float[] values) {
    BigDecimal count = BigDecimal.valueOf(values.length);
    BigDecimal sum = BigDecimal.ZERO;
    for (float value : values) {
      sum = sum.add(new BigDecimal(value));
    }
    BigDecimal mean = sum.divide(count, 200, RoundingMode.HALF_EVEN);
    BigDecimal squares = BigDecimal.ZERO;
    for (float value : values) {
      squares = squares.add(new BigDecimal(value).subtract(mean).pow(2));
    }
    MathContext digits = new MathContext(50);
    double deviation = squares.divide(count, digits).sqrt(digits).doubleValue();
    assertThat(columns.mean()[feature]).isCloseTo(mean.doubleValue(), within(1e-12 * deviation));
    assertThat(columns.deviation()[feature]).isCloseTo(deviation, within(1e-12 * deviation));
  }

  /** A column of numbers has no list of its texts any more once there are too many. */
  @Test
  void read_manyDifferentNumbers_areNumbers() throws IOException {
    int rows = Table.MOST_CATEGORIES + 3000;
    String text =
        IntStream.range(0, rows)
            .mapToObj(i -> (i == 7 || i == rows - 1 ? "" : i / 4.0) + "," + i % 3)
            .collect(Collectors.joining("\n", "a,kind\n", "\n"));
    TableDataset data = data(text, options -> options.withMissingValues(MissingValues.MEAN));
    float mean = (float) data.columns().mean()[0];
    for (int i = 0; i < rows; i++) {
      float expected = i == 7 || i == rows - 1 ? mean : i / 4f;
      assertThat(Values.of(data, i)).containsExactly(expected);
    }
    for (int odd : new int[] {5, rows - 5}) {
      Path file = write("odd.csv", text.replace("\n" + odd / 4.0 + ",", "\nodd,"));
      Table table = Table.read(file, OPTIONS.withMissingValues(MissingValues.MEAN));
      int[] others = IntStream.range(0, rows).filter(i -> i != odd).toArray();
      assertThat(table.fit(others).features()).isEqualTo(1);
      assertFileRefused(
          () -> TableDataset.of(table, table.fit(others)),
          "TableDataset.of: column \"a\" of line "
              + (odd + 2)
              + " of "
              + file
              + " must be a number (got \"odd\")");
      assertFileRefused(
          table::fit,
          "Table.fit: column \"a\" of line "
              + (odd + 2)
              + " of "
              + file
              + " must be a number, or"
              + " its column have 16384 different texts at most (got \"odd\")");
    }
  }

  @Test
  void read_tooManyTexts_areRefused() throws IOException {
    int rows = Table.MOST_CATEGORIES + 2;
    String text =
        IntStream.range(0, rows)
            .mapToObj(i -> "t" + i + "," + i % 3)
            .collect(Collectors.joining("\n", "a,kind\n", "\n"));
    Path file = write("texts.csv", text);
    String where = "Table.read: column \"a\" of line 16386 of " + file + " must be ";
    assertFileRefused(
        () -> Table.read(file, OPTIONS),
        where + "a number, or its column have 16384 different texts at most (got \"t16384\")");
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withCategories("a")),
        where + "one of 16384 different texts at most (got \"t16384\")");
    assertFileRefused(
        () -> Table.read(file, OPTIONS.withNumbers("a")),
        "Table.read: column \"a\" of line 2 of " + file + " must be a number (got \"t0\")");
    String twice =
        IntStream.range(0, 2 * Table.MOST_CATEGORIES)
            .mapToObj(i -> "t" + i / 2 + "," + i % 3)
            .collect(Collectors.joining("\n", "a,kind\n", "\n"));
    Path withNumber = write("number.csv", twice + "5,0\n");
    assertFileRefused(
        () -> Table.read(withNumber, OPTIONS),
        "Table.read: column \"a\" of line 32770 of "
            + withNumber
            + " must be one of 16384 different texts at most (got \"5\")");
    assertThat(Table.read(write("texts.csv", twice), OPTIONS).fit().features())
        .isEqualTo(Table.MOST_CATEGORIES);
  }

  @Test
  void fingerprint_otherContent_isAnother() throws IOException {
    String text = "a,b,kind\n1,u,x\n2,v,y\n3,u,x\n";
    List<Long> all =
        List.of(
            data(text, options -> options).fingerprint(),
            data(text.replace("3,u", "4,u"), options -> options).fingerprint(),
            data(text.replace("3,u", "3,v"), options -> options).fingerprint(),
            data(text.replace("3,u,x", "3,u,y"), options -> options).fingerprint(),
            data(text.replace("a,b", "c,b"), options -> options).fingerprint(),
            data(text.replace(",x", ",z"), options -> options).fingerprint(),
            data(text, options -> options.withColumns("b", "a")).fingerprint(),
            data(text, options -> options.withClasses("y", "x")).fingerprint(),
            TableDataset.of(read(text, o -> o), read(text, o -> o).fit(0, 1)).fingerprint());
    assertThat(all).doesNotHaveDuplicates();
    assertThat(data(text.replace("1,u", "\" 1.0\", u"), options -> options).fingerprint())
        .isEqualTo(all.get(0));
    assertThat(data(text.replace(',', ';'), options -> options.withSeparator(';')).fingerprint())
        .isEqualTo(all.get(0));
  }

  private static Map<String, String> map(String... keysAndValues) {
    Map<String, String> map = new HashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      map.put(keysAndValues[i], keysAndValues[i + 1]);
    }
    return map;
  }

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private Table read(String text, UnaryOperator<TableOptions> change) throws IOException {
    return Table.read(write("data.csv", text), change.apply(OPTIONS));
  }

  private TableColumns fit(String text, UnaryOperator<TableOptions> change) throws IOException {
    return read(text, change).fit();
  }

  private TableDataset data(String text, UnaryOperator<TableOptions> change) throws IOException {
    Table table = read(text, change);
    return TableDataset.of(table, table.fit());
  }
}
