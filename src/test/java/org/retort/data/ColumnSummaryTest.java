package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.data.ColumnSummary.Kind;

final class ColumnSummaryTest {
  @TempDir private Path folder;

  @Test
  void summaries_ofAllKinds_tellWhatIsThere() throws IOException {
    Table table =
        read(
            """
            age,colour,code,empty,kind
            3,red,11,,x
            -1.5,?,12,NA,y
            NA,blue,11,?,x
            1e3,red,11,,x
            """,
            TableOptions.of("kind").withCategories("code"));
    assertThat(table.summaries())
        .containsExactly(
            new ColumnSummary("age", Kind.NUMBERS, 1, -1.5f, 1000, 0, 0, 0),
            new ColumnSummary("colour", Kind.CATEGORIES, 1, Float.NaN, Float.NaN, 2, 0, 0),
            new ColumnSummary("code", Kind.CATEGORIES, 0, Float.NaN, Float.NaN, 2, 0, 0),
            new ColumnSummary("empty", Kind.EMPTY, 4, Float.NaN, Float.NaN, 0, 0, 0));
    assertThat(table.incompleteRows()).isEqualTo(2);
  }

  @Test
  void summaries_infiniteNumbers_areRefusedLater() throws IOException {
    Table table = read("a,b,kind\n1,inf,x\n2,inf,y\n", TableOptions.of("kind"));
    assertThat(table.summaries())
        .containsExactly(
            new ColumnSummary("a", Kind.NUMBERS, 0, 1, 2, 0, 0, 0),
            new ColumnSummary("b", Kind.NUMBERS, 0, Float.NaN, Float.NaN, 0, 2, 2));
    assertThat(
            read("a,kind\n1,x\n1e99,y\n-inf,x\n2,x\n", TableOptions.of("kind")).summaries().get(0))
        .isEqualTo(new ColumnSummary("a", Kind.NUMBERS, 0, 1, 2, 0, 2, 3));
  }

  @Test
  void summaries_tooManyDifferentTexts_areNumbersOfWhichSomeAreNone() throws IOException {
    StringBuilder text = new StringBuilder("a,kind\nnone,x\n");
    for (int i = 0; i < Table.MOST_CATEGORIES + 5; i++) {
      text.append(i).append(",y\n");
    }
    text.append("other,x\n");
    assertThat(read(text.toString(), TableOptions.of("kind")).summaries())
        .containsExactly(
            new ColumnSummary("a", Kind.NUMBERS, 0, 0, Table.MOST_CATEGORIES + 4, 0, 2, 2));
  }

  @Test
  void incompleteRows_ofSeveralColumns_areCountedOnce() throws IOException {
    String text = "a,b,kind\n,,x\n1,,y\n1,2,x\n";
    assertThat(read(text, TableOptions.of("kind")).incompleteRows()).isEqualTo(2);
    Path file = folder.resolve("data.csv");
    TableOptions skip = TableOptions.of("kind").withMissingValues(MissingValues.SKIP_ROW);
    Files.writeString(file, text + "1,2,y\n");
    assertThat(Table.read(file, skip).incompleteRows()).isZero();
  }

  @Test
  void summary_withoutAName_isRefused() {
    assertIllegal(
        () -> new ColumnSummary(null, Kind.EMPTY, 0, 0, 0, 0, 0, 0),
        "ColumnSummary: name must be given (got null)");
  }

  private Table read(String text, TableOptions options) throws IOException {
    Path file = Files.writeString(folder.resolve("data.csv"), text);
    return Table.read(file, options.withMissingValues(MissingValues.MEAN));
  }
}
