package org.retort.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Files in the repository that fuzzing begins with, each named after what becomes of it. */
final class FileSeeds {
  /** What Jazzer takes seeds from, and adds to what it finds. */
  private static final Path FOLDER =
      Path.of("src", "test", "resources", "org", "retort", "fuzz", "FileFuzzTestInputs");

  private static final String READ = "read-";
  private static final String REFUSED = "refused-";

  /** Where a state dict says how tensors are made, and a cache how many samples it is of. */
  private static final int FUNCTION = 100;

  private static final int SAMPLES = 16;

  private FileSeeds() {}

  /** Returns those that are read. */
  static List<Path> read(FileKind kind) throws IOException {
    return named(kind, READ);
  }

  /** Returns those that are refused. */
  static List<Path> refused(FileKind kind) throws IOException {
    return named(kind, REFUSED);
  }

  private static List<Path> named(FileKind kind, String prefix) throws IOException {
    try (Stream<Path> files = Files.list(FOLDER.resolve(kind.target()))) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(prefix))
          .sorted()
          .toList();
    }
  }

  /** Writes the seeds of a kind anew. */
  static void write(FileKind kind, byte[] whole) throws IOException {
    Map<String, byte[]> seeds = new LinkedHashMap<>();
    seeds.put(READ + "whole", whole);
    seeds.put(REFUSED + "cut", Arrays.copyOf(whole, whole.length / 2));
    seeds.put(REFUSED + "other-kind", changed(whole, 0));
    byte[] longer = Arrays.copyOf(whole, whole.length + 9);
    switch (kind) {
      case STATE_DICT -> {
        seeds.put(READ + "longer", longer);
        seeds.put(REFUSED + "other-function", changed(whole, FUNCTION));
      }
      case CHECKPOINT, STORED_OUTPUTS -> {
        seeds.put(REFUSED + "longer", longer);
        seeds.put(REFUSED + "changed", changed(whole, whole.length / 2));
      }
      case TEACHER_CACHE -> {
        seeds.put(REFUSED + "longer", longer);
        seeds.put(REFUSED + "other-samples", changed(whole, SAMPLES));
        seeds.put(READ + "changed-row", changed(whole, whole.length - 1));
      }
    }
    Path folder = Files.createDirectories(FOLDER.resolve(kind.target()));
    for (Map.Entry<String, byte[]> seed : seeds.entrySet()) {
      Files.write(folder.resolve(seed.getKey()), seed.getValue());
    }
  }

  private static byte[] changed(byte[] whole, int place) {
    byte[] changed = whole.clone();
    changed[place] ^= 1;
    return changed;
  }
}
