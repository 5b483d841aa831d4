package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;

final class TableExampleTest {
  @TempDir private Path folder;

  @Test
  void train_flowers_areToldApart() throws IOException {
    StringBuilder csv = new StringBuilder("petal length,petal width,colour,species\n");
    Random random = new Random(1);
    for (int i = 0; i < 120; i++) {
      boolean isRose = i % 2 == 0;
      csv.append(isRose ? 4 + random.nextDouble() : 1.5 + random.nextDouble())
          .append(i % 10 == 0 ? ",NA," : "," + random.nextDouble() + ",")
          .append(random.nextBoolean() ? "red" : "white")
          .append(isRose ? ",rose\n" : ",violet\n");
    }
    Retort.manualSeed(1);
    TableExample.train(Files.writeString(folder.resolve("flowers.csv"), csv), folder);
    assertThat(
            TableExample.predict(
                folder, Map.of("petal length", "4.5", "petal width", "", "colour", "red")))
        .satisfies(
            rose -> {
              assertThat(rose.name()).isEqualTo("rose");
              assertThat(rose.probability()).isGreaterThan(0.9f);
            });
    assertThat(
            TableExample.predict(
                    folder, Map.of("petal length", "2", "petal width", "0.5", "colour", "white"))
                .name())
        .isEqualTo("violet");
  }
}
