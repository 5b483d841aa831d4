package org.retort.internal;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.global.torch;
import org.retort.bindings.global.retort;
import org.retort.internal.NativeLibrary.Obstacle;

/**
 * Copies of LibTorch and {@code libretort.so} that something else has loaded into the process.
 * JavaCPP would load its own files as well, and the second copy would register what the first has
 * registered: LibTorch then ends the process. Those of another class loader are not a problem,
 * since they come from the same files.
 */
final class ForeignLibraries {
  private static final Path MAPS = Path.of("/proc/self/maps");

  /** JavaCPP's names of LibTorch's files. */
  private static final Map<String, String> LIBTORCH =
      Map.of("libc10.so", "c10", "libtorch_cpu.so", "torch_cpu", "libtorch.so", "torch");

  private static final Pattern LIBRETORT = Pattern.compile("libretort\\.so[.\\d]*");
  private static final String DELETED = " (deleted)";

  private ForeignLibraries() {}

  /** Checks that there are none. */
  static void check() {
    Set<String> foreign = new TreeSet<>();
    try {
      for (String file : mappedFiles()) {
        if (isForeign(file)) {
          foreign.add(file);
        }
      }
    } catch (IOException error) {
      return; // loading will also fail, and say why
    }
    if (!foreign.isEmpty()) {
      throw new Obstacle(
          "process must have no LibTorch and no libretort.so but Retort's own (got "
              + String.join(", ", foreign)
              + "): load Retort first, or let all load the same files, see docs/cpp.md");
    }
  }

  private static Set<String> mappedFiles() throws IOException {
    return new String(Files.readAllBytes(MAPS), UTF_8)
        .lines()
        .filter(line -> line.indexOf('/') >= 0)
        .map(line -> line.substring(line.indexOf('/')))
        // The loader still knows the name of a file that was replaced meanwhile.
        .map(
            file ->
                file.endsWith(DELETED) ? file.substring(0, file.length() - DELETED.length()) : file)
        .collect(Collectors.toSet());
  }

  private static boolean isForeign(String file) throws IOException {
    String name = file.substring(file.lastIndexOf('/') + 1);
    List<Path> own;
    if (LIBTORCH.containsKey(name)) {
      own = LibraryFiles.files(torch.class, LIBTORCH.get(name), name);
    } else if (LIBRETORT.matcher(name).matches()) {
      own = LibraryFiles.files(retort.class, "retort@.0.1", name);
    } else {
      return false;
    }
    // If there are none, loading will fail as well.
    return !own.isEmpty() && own.stream().noneMatch(path -> isSame(path, file));
  }

  private static boolean isSame(Path own, String file) {
    Path other = Path.of(file);
    try {
      return own.toRealPath().equals(other) || Files.isSameFile(own, other);
    } catch (IOException error) {
      return false;
    }
  }
}
