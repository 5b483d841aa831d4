package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;
import javax.imageio.ImageIO;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.train.Metrics;

final class MetricsReportTest {
  private static final List<String> NAMES = List.of("cat", "a \"dog\", big", "<b>&");
  private static final Metrics METRICS =
      Metrics.of(new long[][] {{3, 1, 0}, {0, 4, 0}, {0, 0, 0}}, 8);

  @Test
  void confusion_names_areQuotedWhereTheyMust() {
    assertThat(MetricsReport.confusion(NAMES, METRICS))
        .isEqualTo(
            """
            true class,cat,"a ""dog"", big",<b>&
            cat,3,1,0
            "a ""dog"", big",0,4,0
            <b>&,0,0,0
            """);
  }

  @Test
  void confusion_anyNames_isReadAsItWasWritten() throws IOException {
    List<String> names = List.of("two\nlines", " space ", "#sharp", "", "\"");
    long[][] counts = new long[5][5];
    for (int i = 0; i < 25; i++) {
      counts[i / 5][i % 5] = i;
    }
    String csv = MetricsReport.confusion(names, Metrics.of(counts, 300));
    try (CSVParser parser = CSVFormat.DEFAULT.parse(new StringReader(csv))) {
      List<CSVRecord> records = parser.getRecords();
      assertThat(records).hasSize(6);
      assertThat(records.get(0).stream().skip(1)).isEqualTo(names);
      for (int label = 0; label < 5; label++) {
        assertThat(records.get(label + 1).get(0)).isEqualTo(names.get(label));
        assertThat(records.get(label + 1).stream().skip(1))
            .isEqualTo(LongStream.of(counts[label]).mapToObj(String::valueOf).toList());
      }
    }
  }

  @Test
  void perClass_figuresThatAreNotDefined_areEmpty() {
    assertThat(MetricsReport.perClass(NAMES, METRICS))
        .isEqualTo(
            """
            label,class,samples,predictions,recall_percent,precision_percent,f1_percent
            0,cat,4,3,75.0,100.0,85.71428571428571
            1,"a ""dog"", big",4,5,100.0,80.0,88.88888888888889
            2,<b>&,0,0,,,
            """);
  }

  @Test
  void json_samplesBeyondTheTopFive_areLeftOut() {
    Metrics metrics = Samples.metrics(6, 0);
    JsonObject json =
        JsonParser.parseString(MetricsReport.json(Samples.classNames(6), metrics))
            .getAsJsonObject();
    double missed = 100.0 / metrics.samples();
    assertThat(json.get("top5AccuracyPercent").getAsDouble()).isCloseTo(100 - missed, within(1e-9));
  }

  @Test
  void json_metrics_hasTheFiguresOfAllAndOfEachClass() {
    JsonObject json = JsonParser.parseString(MetricsReport.json(NAMES, METRICS)).getAsJsonObject();
    assertThat(json.get("samples").getAsLong()).isEqualTo(8);
    assertThat(json.get("accuracyPercent").getAsDouble()).isEqualTo(87.5);
    assertThat(json.get("top5AccuracyPercent").getAsDouble()).isEqualTo(100);
    assertThat(json.get("balancedAccuracyPercent").getAsDouble()).isEqualTo(87.5);
    JsonArray classes = json.getAsJsonArray("classes");
    assertThat(classes).hasSize(3);
    JsonObject dog = classes.get(1).getAsJsonObject();
    assertThat(dog.get("name").getAsString()).isEqualTo("a \"dog\", big");
    assertThat(dog.get("precisionPercent").getAsDouble()).isEqualTo(80);
    assertThat(classes.get(2).getAsJsonObject().get("recallPercent").isJsonNull()).isTrue();
  }

  @Test
  void names_ofNoClass_areNumbers() {
    assertThat(MetricsReport.confusion(List.of(), METRICS)).startsWith("true class,0,1,2\n0,3,1,0");
    assertThatThrownBy(() -> MetricsReport.confusion(List.of("one"), METRICS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ClassNames: names must be one for each of the 3 classes (got 1)");
  }

  @Test
  void write_folder_hasEveryFile(@TempDir Path folder) throws IOException {
    MetricsReport.write(folder, "student", NAMES, METRICS, false);
    assertThat(folder.resolve("confusion.png")).doesNotExist();
    MetricsReport.write(folder, "student", NAMES, METRICS, true);
    assertThat(folder.resolve("metrics.json")).hasContent(MetricsReport.json(NAMES, METRICS));
    assertThat(Files.readString(folder.resolve("confusion.csv")))
        .isEqualTo(MetricsReport.confusion(NAMES, METRICS));
    assertThat(folder.resolve("per-class.csv")).isNotEmptyFile();
    assertThat(ImageIO.read(folder.resolve("confusion.png").toFile()).getWidth()).isPositive();
  }
}
