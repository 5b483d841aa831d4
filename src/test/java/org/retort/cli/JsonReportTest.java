package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import org.junit.jupiter.api.Test;

final class JsonReportTest {
  @Test
  void of_results_holdsRunsAndSummaries() {
    JsonObject document = parse(Samples.threeSeeds());

    assertThat(document.get("recipe").getAsString()).isEqualTo("digits");
    assertThat(document.getAsJsonObject("teachers").get("teacher"))
        .isEqualTo(
            JsonParser.parseString(
                "{seed: 0, accuracyPercent: 99.72, seconds: 6.04, parameters: 272186,"
                    + " file: 'teacher.pt'}"));

    JsonObject kd = document.getAsJsonArray("students").get(1).getAsJsonObject();
    assertThat(kd.get("method").getAsString()).isEqualTo("kd");
    assertThat(kd.get("title").getAsString()).isEqualTo("KD");
    assertThat(kd.get("accuracyPercent"))
        .isEqualTo(JsonParser.parseString("{mean: 99.5, deviation: 0.5}"));
    assertThat(kd.get("gainPoints"))
        .isEqualTo(JsonParser.parseString("{mean: 11.5, deviation: 3.5}"));
    assertThat(kd.get("seconds")).isEqualTo(JsonParser.parseString("{mean: 2.0, deviation: 1.0}"));
    assertThat(kd.getAsJsonArray("runs")).hasSize(3);
    assertThat(kd.getAsJsonArray("runs").get(2))
        .isEqualTo(
            JsonParser.parseString(
                "{seed: 2, accuracyPercent: 100.0, seconds: 3.0, parameters: 77754,"
                    + " file: 'kd-seed2.pt'}"));
  }

  @Test
  void of_studentAlone_hasNoTeacherNoGainAndNoDeviation() {
    JsonObject document = parse(Samples.studentAlone());
    assertThat(document.getAsJsonObject("teachers").isEmpty()).isTrue();
    JsonObject student = document.getAsJsonArray("students").get(0).getAsJsonObject();
    assertThat(student.get("gainPoints").isJsonNull()).isTrue();
    assertThat(student.getAsJsonObject("accuracyPercent").get("deviation").isJsonNull()).isTrue();
  }

  private static JsonObject parse(Results results) {
    return JsonParser.parseString(JsonReport.of(results)).getAsJsonObject();
  }
}
