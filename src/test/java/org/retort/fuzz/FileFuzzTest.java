package org.retort.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.retort.FileException;

/**
 * Reads files of every kind, whole and damaged: they are read, or refused with a {@link
 * FileException} whose message is one line, and the process lives. Jazzer reads the seeds or, with
 * {@code JAZZER_FUZZ=1}, looks for more; random damage is the same every time.
 */
final class FileFuzzTest {
  private static final int TRIES = Integer.getInteger("retort.fuzz.tries", 1000);
  private static final long SEED = Long.getLong("retort.fuzz.seed", 20261125);

  private final Mutations mutations = new Mutations(new Random(SEED));
  @TempDir private Path folder;
  private Path file;
  private FileFixtures fixtures;

  /** Damages a file. */
  private interface Mutation {
    byte[] of(byte[] file) throws IOException;
  }

  @BeforeEach
  void makeFixtures() {
    file = folder.resolve("file");
    fixtures = new FileFixtures(folder);
  }

  @AfterEach
  void closeFixtures() {
    fixtures.close();
  }

  @FuzzTest
  void stateDict_anyFile_isReadOrRefusedByName(byte[] content) throws IOException {
    isRead(FileKind.STATE_DICT, content);
  }

  @FuzzTest
  void checkpoint_anyFile_isReadOrRefusedByName(byte[] content) throws IOException {
    isRead(FileKind.CHECKPOINT, content);
  }

  @FuzzTest
  void storedOutputs_anyFile_isReadOrRefusedByName(byte[] content) throws IOException {
    isRead(FileKind.STORED_OUTPUTS, content);
  }

  @FuzzTest
  void teacherCache_anyFile_isReadOrRefusedByName(byte[] content) throws IOException {
    isRead(FileKind.TEACHER_CACHE, content);
  }

  private boolean isRead(FileKind kind, byte[] content) throws IOException {
    Files.write(file, content);
    boolean isRead = succeeds(() -> fixtures.read(kind, file));
    if (kind != FileKind.TEACHER_CACHE) {
      assertThat(succeeds(() -> fixtures.read(kind, content))).isEqualTo(isRead);
    }
    return isRead;
  }

  private static boolean succeeds(Runnable reading) {
    try {
      reading.run();
      return true;
    } catch (FileException error) {
      assertThat(error.getMessage()).isNotBlank().hasLineCount(1).doesNotContain("frame #");
      return false;
    }
  }

  @ParameterizedTest
  @EnumSource
  void file_damagedAtRandom_isReadOrRefusedByName(FileKind kind) throws IOException {
    assertAnyIsReadOrRefused(kind, mutations::of);
  }

  @Test
  void stateDict_damagedEntry_isReadOrRefusedByName() throws IOException {
    Path archive = folder.resolve("archive");
    fixtures.write(FileKind.STATE_DICT, archive);
    assertAnyIsReadOrRefused(FileKind.STATE_DICT, whole -> mutations.ofEntry(archive));
  }

  private void assertAnyIsReadOrRefused(FileKind kind, Mutation mutation) throws IOException {
    byte[] whole = whole(kind);
    int refused = 0;
    for (int i = 0; i < TRIES; i++) {
      refused += isRead(kind, mutation.of(whole)) ? 0 : 1;
    }
    assertThat(refused).isPositive();
    assertThat(isRead(kind, whole)).isTrue();
  }

  private byte[] whole(FileKind kind) throws IOException {
    Files.deleteIfExists(file);
    fixtures.write(kind, file);
    return Files.readAllBytes(file);
  }

  /** Seeds of a format that is no more would all be refused at their first bytes. */
  @ParameterizedTest
  @EnumSource
  void seed_isReadOrRefusedAsItsNameSays(FileKind kind) throws IOException {
    assertThat(FileFuzzTest.class).hasDeclaredMethods(kind.target());
    assertThat(FileSeeds.read(kind)).isNotEmpty().allMatch(seed -> isSeedRead(kind, seed));
    assertThat(FileSeeds.refused(kind)).isNotEmpty().noneMatch(seed -> isSeedRead(kind, seed));
  }

  private boolean isSeedRead(FileKind kind, Path seed) {
    try {
      return isRead(kind, Files.readAllBytes(seed));
    } catch (IOException error) {
      throw new AssertionError(error);
    }
  }

  /** For a format that was changed: {@code -Dtest=FileFuzzTest#writeSeeds}. */
  @ParameterizedTest
  @EnumSource
  @EnabledIfSystemProperty(named = "retort.fuzz.writeSeeds", matches = "true")
  void writeSeeds(FileKind kind) throws IOException {
    FileSeeds.write(kind, whole(kind));
  }
}
