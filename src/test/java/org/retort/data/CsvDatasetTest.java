package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;

final class CsvDatasetTest {
  private static final ImageShape SHAPE = new ImageShape(1, 2, 2);

  @TempDir private Path folder;

  @Test
  void open_lines_areImages() throws IOException {
    CsvDataset data = open("2,0,255,51,102\n\n 0 , 1,2, 3,4\r\n-1,9,9,9,9", builder -> builder);
    assertThat(data.size()).isEqualTo(3);
    assertThat(data.classes()).isEqualTo(3);
    assertThat(data.shape()).isEqualTo(SHAPE);
    assertThat(data.label(0)).isEqualTo(2);
    assertThat(data.label(1)).isZero();
    assertThat(data.label(2)).isEqualTo(Dataset.UNLABELED);
    assertThat(Values.of(data, 0)).containsExactly(0, 1, 0.2f, 0.4f);
    assertThat(Values.of(data, 1)).containsExactly(1 / 255f, 2 / 255f, 3 / 255f, 4 / 255f);
    Values.assertOthersRejected("CsvDataset", data);
  }

  @Test
  void open_options_areHeeded() throws IOException {
    CsvDataset data =
        open(
            "a;b;c;d;class\n0;16;8;4;5\n",
            builder ->
                builder.header().separator(';').maxPixelValue(16).labelColumn(4).classes(10));
    assertThat(data.size()).isEqualTo(1);
    assertThat(data.classes()).isEqualTo(10);
    assertThat(data.label(0)).isEqualTo(5);
    assertThat(Values.of(data, 0)).containsExactly(0, 1, 0.5f, 0.25f);
    CsvDataset middle = open("0,16,5,8,4", builder -> builder.maxPixelValue(16).labelColumn(2));
    assertThat(middle.label(0)).isEqualTo(5);
    assertThat(Values.of(middle, 0)).containsExactly(0, 1, 0.5f, 0.25f);
  }

  @Test
  void open_compressedFile_isReadAsWell() throws IOException {
    Path file = folder.resolve("data.csv.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write("1,0,255,51,102\n".getBytes(StandardCharsets.US_ASCII));
    }
    CsvDataset data = CsvDataset.builder(file, SHAPE).open();
    assertThat(Values.of(data, 0)).containsExactly(0, 1, 0.2f, 0.4f);
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 22));
    assertThatThrownBy(() -> CsvDataset.builder(file, SHAPE).open())
        .isInstanceOf(FileException.class)
        .hasMessageContaining("line 1 of " + file + " must be readable");
  }

  @Test
  void open_damagedLine_namesFileAndLine() throws IOException {
    String good = "0,1,2,3,4\n";
    assertBad(good + "0,1,2,3", "line 2", "have 5 fields", "4");
    assertBad(good + good + "0,1,2,3,4,5", "line 3", "have 5 fields", "6");
    assertBad(good + "0,1,x,3,4", "column 2 of line 2", "be a whole number from 0 to 255", "\"x\"");
    assertBad(good + "0,1,,3,4", "column 2 of line 2", "be a whole number from 0 to 255", "\"\"");
    assertBad("0,1,2,3,256", "column 4 of line 1", "be a whole number from 0 to 255", "\"256\"");
    assertBad("0,1,2,3,-1", "column 4 of line 1", "be a whole number from 0 to 255", "\"-1\"");
    assertBad("-2,1,2,3,4", "column 0 of line 1", "be a whole number from -1 to 1048575", "\"-2\"");
    assertBad("\n \n", "the lines", "be at least one image", "none");
    assertThatThrownBy(() -> open("3,1,2,3,4", builder -> builder.classes(3)))
        .hasMessageContaining("must be a whole number from -1 to 2 (got \"3\")");
  }

  @Test
  void builder_badArguments_throw() throws IOException {
    Path none = folder.resolve("none");
    assertThatThrownBy(() -> CsvDataset.builder(none, SHAPE))
        .isInstanceOf(FileException.class)
        .hasMessage("CsvDataset.builder: file must exist (got %s)", none);
    assertThatThrownBy(() -> open("", builder -> builder.labelColumn(5)))
        .hasMessage("CsvDataset.Builder.labelColumn: column must be between 0 and 4 (got 5)");
    assertThatThrownBy(() -> open("", builder -> builder.maxPixelValue(256)))
        .hasMessage("CsvDataset.Builder.maxPixelValue: value must be between 1 and 255 (got 256)");
    assertThatThrownBy(() -> open("", builder -> builder.classes(0)))
        .hasMessage("CsvDataset.Builder.classes: count must be between 1 and 1048576 (got 0)");
    assertThatThrownBy(() -> new ImageShape(1, 0, 3))
        .hasMessage("ImageShape: height must be at least 1 (got 0)");
    assertThatThrownBy(() -> new ImageShape(1 << 20, 1 << 20, 1 << 20))
        .hasMessageContaining("ImageShape: shape must fit an image into 2 GiB");
  }

  private void assertBad(String content, String where, String rule, String got) {
    assertThatThrownBy(() -> open(content, builder -> builder))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(
            "CsvDataset.Builder.open: %s of %s must %s (got %s)",
            where, folder.resolve("data.csv"), rule, got);
  }

  private CsvDataset open(String content, UnaryOperator<CsvDataset.Builder> options)
      throws IOException {
    Path file = Files.writeString(folder.resolve("data.csv"), content);
    return options.apply(CsvDataset.builder(file, SHAPE)).open();
  }
}
