package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.FileException;
import org.retort.testing.Streams;

final class TableColumnsTest {
  @TempDir private Path folder;
  private TableColumns columns;

  @BeforeEach
  void fit() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("data.csv"),
            "a;\"b \"\"quoted\"\"\";c;kind\n0.1;\"u,v\";7;x\n0.2;\" w\";8;\"y\ny\"\n0.4;-;7;x\n");
    TableOptions options =
        TableOptions.of("kind")
            .withSeparator(';')
            .withMissing("", "-")
            .withCategories("c")
            .withMissingValues(MissingValues.MEAN)
            .withUnknownCategories(UnknownCategories.ZEROS);
    columns = Table.read(file, options).fit();
  }

  /** The format that others may read. */
  @Test
  void write_columns_isTheDocumentedFile() {
    double mean = columns.mean()[0];
    double deviation = columns.deviation()[0];
    assertThat(new String(Streams.written(columns::write), StandardCharsets.UTF_8))
        .isEqualTo(
            """
            item,column,value
            format,,1
            separator,,;
            missing,,
            missing,,-
            missing_values,,mean
            unknown_categories,,zeros
            class,kind,x
            class,kind,"y
            y"
            mean,a,%s
            deviation,a,%s
            category,"b ""quoted""\"," w"
            category,"b ""quoted""\","u,v"
            most_frequent,"b ""quoted""\"," w"
            category,c,7
            category,c,8
            most_frequent,c,7
            """
                .formatted(mean, deviation));
  }

  @Test
  void read_whatWasWritten_isEqual() throws IOException {
    Path file = folder.resolve("columns.csv");
    Files.writeString(file, "what was there before");
    columns.write(file);
    assertThat(TableColumns.read(file))
        .isEqualTo(columns)
        .hasSameHashCodeAs(columns)
        .hasToString(columns.toString());
    assertThat(TableColumns.read(Streams.of(Streams.written(columns::write)))).isEqualTo(columns);
    assertThat(folder.toFile().list()).containsExactlyInAnyOrder("data.csv", "columns.csv");
    assertThat(columns)
        .hasToString(
            "TableColumns[label=kind, classes=2, features=5, columns=[a, b \"quoted\", c]]")
        .isNotEqualTo(Table.read(folder.resolve("data.csv"), columns.options()).fit(0, 1));
    Map<String, String> row = Map.of("a", "-", "b \"quoted\"", "u,v", "c", "9");
    assertThat(TableColumns.read(file).row(row))
        .containsExactly((float) columns.mean()[0], 0, 1, 0, 0);
  }

  @Test
  void write_stream_isFlushed() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    columns.write(new BufferedOutputStream(bytes, 1 << 16));
    assertThat(bytes.toByteArray()).isEqualTo(Streams.written(columns::write));
  }

  @Test
  void write_anotherFileSystem_isAFileThere() throws IOException {
    try (FileSystem zip =
        FileSystems.newFileSystem(folder.resolve("files.zip"), Map.of("create", "true"))) {
      columns.write(zip.getPath("/columns.csv"));
      columns.write(zip.getPath("/columns.csv"));
      assertThat(TableColumns.read(zip.getPath("/columns.csv"))).isEqualTo(columns);
    }
  }

  @Test
  void write_whereNothingCanBe_isRefused() {
    assertThatThrownBy(() -> columns.write(folder))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "TableColumns.write: file must be one that can be written (got " + folder + ": ")
        .hasMessageEndingWith("Is a directory)");
    assertThatThrownBy(() -> columns.write(folder.resolve("none").resolve("columns.csv")))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith("TableColumns.write: file must be one that can be written (got ");
    assertFileRefused(
        () -> columns.write(Streams.full(10)),
        "TableColumns.write: stream must be one that can be written (got java.io.IOException: no"
            + " space left)");
    Path nowhere = null;
    assertIllegal(
        () -> columns.write(nowhere), "TableColumns.write: file must be given (got null)");
    InputStream nothing = null;
    assertIllegal(
        () -> TableColumns.read(nothing), "TableColumns.read: stream must be given (got null)");
  }

  @Test
  void read_noClassOrNoColumn_isRefused() {
    String text = new String(Streams.written(columns::write), StandardCharsets.UTF_8);
    int classes = text.indexOf("class,");
    int ofColumns = text.indexOf("mean,");
    assertLacks(text.substring(0, classes) + text.substring(ofColumns), "no class");
    assertLacks(text.substring(0, ofColumns), "no column");
  }

  private static void assertLacks(String text, String what) {
    assertFileRefused(
        () -> TableColumns.read(Streams.of(text.getBytes(StandardCharsets.UTF_8))),
        "TableColumns.read: the stream must have a class and a column (got " + what + ")");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "item,column,value | item,column | the stream must begin with the line item,column,value"
            + " (got another line)",
        "format,,1 | format,,2 | line 2 of the stream must be of format 1 (got \"2\")",
        "format,,1 | unit,,1 | line 2 of the stream must be an item that is known (got \"unit\")",
        "separator,,; | separator,,;; | column \"value\" of line 3 of the stream must be one"
            + " character (got \";;\")",
        "separator,,; | separator,,\"\"\"\" | the stream must have options that go together (got"
            + " TableOptions: separator must not be a quote, a line break or a byte order mark (got"
            + " \"))",
        "separator,,;\\n | `` | the stream must have the item separator (got none)",
        "missing,,- | missing,, | line 5 of the stream must not repeat one (got \"\" again)",
        "missing_values,,mean | missing_values,,MEAN | the stream must have a known word for"
            + " missing_values (got \"MEAN\")",
        "class,kind,x | class,sort,x | line 9 of the stream must have the label \"sort\" (got"
            + " \"kind\")",
        "deviation,a | deviation,b | the stream must have mean and deviation, or categories and the"
            + " most frequent one, of each column (got \"a\" without)",
        "most_frequent,c,7 | most_frequent,c,9 | column \"value\" of line 18 of the stream must be a"
            + " category of its column (got \"9\")",
        "category,c,8 | category,c,7 | line 17 of the stream must not repeat one (got \"7\" again)",
        "separator,,; | separator,,;\\nseparator,,; | line 4 of the stream must not repeat one (got"
            + " \"separator\" again)",
        "class,kind,x | class,kind,x\\nclass,kind,x | line 9 of the stream must not repeat one (got"
            + " \"x\" again)",
        "deviation,a | mean,a,1\\ndeviation,a | line 12 of the stream must not repeat one (got"
            + " \"mean\" again)",
        "deviation,a | deviation,a,1\\ndeviation,a | line 13 of the stream must not repeat one (got"
            + " \"deviation\" again)",
        "most_frequent,c,7 | most_frequent,c,7\\nmost_frequent,c,7 | line 19 of the stream must not"
            + " repeat one (got \"most_frequent\" again)",
        "category,c,8 | category,c | line 17 of the stream must have 3 fields (got 2)",
        "category,c,8 | mean,c,8 | the stream must have mean and deviation, or categories and the"
            + " most frequent one, of each column (got \"c\" without)",
      })
  void read_anotherFile_isRefused(String old, String other, String message) {
    String text = new String(Streams.written(columns::write), StandardCharsets.UTF_8);
    String changed = text.replace(old.replace("\\n", "\n"), other.replace("\\n", "\n"));
    assertThat(changed).isNotEqualTo(text);
    assertFileRefused(
        () -> TableColumns.read(Streams.of(changed.getBytes(StandardCharsets.UTF_8))),
        "TableColumns.read: " + message);
  }

  @Test
  void fit_categories_knowsTheMostFrequent() throws IOException {
    Path file = Files.writeString(folder.resolve("b.csv"), "c,kind\na,x\nb,y\nb,x\n");
    TableColumns fitted = Table.read(file, TableOptions.of("kind")).fit();
    assertThat(new String(Streams.written(fitted::write), StandardCharsets.UTF_8))
        .contains("\nmost_frequent,c,b\n");
  }

  @Test
  void read_badNumbers_areRefused() {
    String text = new String(Streams.written(columns::write), StandardCharsets.UTF_8);
    String where = "TableColumns.read: column \"value\" of line ";
    for (String bad : new String[] {"NaN", "Infinity", "one", ""}) {
      String changed = text.replaceFirst("mean,a,.*", "mean,a," + bad);
      assertFileRefused(
          () -> TableColumns.read(Streams.of(changed.getBytes(StandardCharsets.UTF_8))),
          where + "11 of the stream must be a finite number (got \"" + bad + "\")");
    }
    String changed = text.replaceFirst("deviation,a,.*", "deviation,a,0");
    assertFileRefused(
        () -> TableColumns.read(Streams.of(changed.getBytes(StandardCharsets.UTF_8))),
        where + "12 of the stream must be positive (got \"0\")");
    Path none = folder.resolve("none");
    assertThatThrownBy(() -> TableColumns.read(none))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "TableColumns.read: file must be one that can be read (got " + none + ": ");
  }
}
