package org.retort;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/** What compilers and tools are told about null is what the documentation says. */
final class NullnessTest {
  private static final Path SOURCES = Path.of("src/main/java");

  private static final Pattern DOCUMENTED =
      Pattern.compile(
          "/\\*\\*(?<text>(?:(?!\\*/).)*)\\*/\\s*(?<declaration>[^{;]*)", Pattern.DOTALL);
  private static final Pattern TAG = Pattern.compile("@(param \\w+|return) ((?:(?!@\\w+ ).)*)");
  private static final Pattern MAY_BE_NULL =
      Pattern.compile("may be null|\\bnull if\\b|\\bor null\\b");

  @ParameterizedTest
  @ValueSource(
      classes = {
        Retort.class,
        org.retort.data.Batch.class,
        org.retort.losses.KdLoss.class,
        org.retort.models.Network.class,
        org.retort.recipes.Recipe.class,
        TrainingStep.class
      })
  void publicPackage_always_isNullMarked(Class<?> inIt) {
    assertThat(inIt.getPackage().isAnnotationPresent(NullMarked.class)).isTrue();
  }

  @Test
  void parameterOrResult_thatMayBeNullByItsDocumentation_isNullable() throws IOException {
    List<String> found = new ArrayList<>();
    try (Stream<Path> files = Files.walk(SOURCES)) {
      for (Path file : files.filter(NullnessTest::isPublic).toList()) {
        Matcher documented = DOCUMENTED.matcher(Files.readString(file));
        while (documented.find()) {
          check(file, documented.group("text"), documented.group("declaration"), found);
        }
      }
    }
    assertThat(found).hasSizeGreaterThan(20);
  }

  private static boolean isPublic(Path file) {
    return SOURCES
        .relativize(file)
        .toString()
        .matches("org/retort/((data|losses|models|recipes|train)/)?\\w+\\.java");
  }

  private static void check(Path file, String text, String declaration, List<String> found) {
    Matcher tag = TAG.matcher(text.replaceAll("\\s*\\n\\s*\\*? *", " "));
    while (tag.find()) {
      if (MAY_BE_NULL.matcher(tag.group(2)).find()) {
        String[] what = tag.group(1).split(" ", -1);
        String name = what.length == 1 ? "\\w+\\(" : what[1] + "\\b";
        assertThat(declaration)
            .as("%s: %s %s", file, tag.group(1), tag.group(2))
            .containsPattern("@Nullable (?:\\[\\] |\\.\\.\\. |[\\w<>.]+ )" + name);
        found.add(file + " " + tag.group(1));
      }
    }
  }

  @Test
  void nullable_ofTheMainMethods_isThereWhenTheProgramRuns() throws NoSuchMethodException {
    Method run =
        TrainingStep.class.getMethod(
            "run", FloatBuffer.class, LongBuffer.class, LongBuffer.class, StepResult.class);
    assertThat(nullable(run)).containsExactly(false, true, true, false);
    assertThat(nullable(StepInput.class.getMethod("of", float[].class, long[].class)))
        .containsExactly(false, true);
    assertThat(nullable(RetortException.class.getConstructor(String.class, Throwable.class)))
        .containsExactly(false, true);
    Method cause = Retort.class.getMethod("unavailabilityCause");
    assertThat(cause.getAnnotatedReturnType().isAnnotationPresent(Nullable.class)).isTrue();
  }

  private static List<Boolean> nullable(Executable executable) {
    return Arrays.stream(executable.getAnnotatedParameterTypes())
        .map(type -> type.isAnnotationPresent(Nullable.class))
        .toList();
  }
}
