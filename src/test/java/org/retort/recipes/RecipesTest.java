package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RecipesTest {
  @TempDir private Path folder;

  @Test
  void load_textOfARecipeInAFile_isThatRecipe() throws IOException {
    for (String name : Recipes.names()) {
      Recipe shipped = Recipes.load(name);
      Path file = Files.writeString(folder.resolve(name + ".yaml"), shipped.text());
      Recipe read = Recipes.load(file.toString());
      assertThat(read.text()).isEqualTo(shipped.text());
      assertThat(read.methodNames()).isEqualTo(shipped.methodNames());
      assertThat(read.weights()).isEqualTo(shipped.weights());
      assertThat(read.teacher().epochs()).isEqualTo(shipped.teacher().epochs());
      assertThat(read.student())
          .usingRecursiveComparison()
          .ignoringFields("network.place")
          .isEqualTo(shipped.student());
    }
  }

  @Test
  void load_noSuchFile_isRefused() {
    assertThatThrownBy(() -> Recipes.load("digit"))
        .isInstanceOf(RecipeException.class)
        .hasMessage(
            "recipe must be a file or one of digits, fashion-mnist, letters,"
                + " cifar100-repdistiller, cifar100-ofd (got digit)");
  }

  @Test
  void load_bytes_isRefused() throws IOException {
    Path file = Files.write(folder.resolve("a.yaml"), new byte[] {(byte) 0xff, (byte) 0xfe, 0});
    assertThatThrownBy(() -> Recipes.load(file.toString()))
        .isInstanceOf(RecipeException.class)
        .hasMessageContaining("recipe must be a text in UTF-8 (got bytes)");
  }

  @Test
  void load_repDistiller_hasItsScriptsWeights() {
    assertThat(Recipes.load("cifar100-repdistiller").weights())
        .containsEntry("nst", 50.0)
        .containsEntry("crd", 0.8)
        .containsEntry("kd", 0.9);
  }
}
