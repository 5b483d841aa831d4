package org.retort.models;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.bytedeco.pytorch.StringVector;
import org.retort.bindings.NativeBytes;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.NativeNetwork;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeFiles;
import org.retort.internal.StringLists;

/**
 * A loader of networks that are programs, with tap names.
 *
 * @param function the caller's name
 * @param fromFile loads a file
 * @param fromBytes loads a file's content
 * @param maker creates the network from what was loaded
 * @param <N> the network's class
 */
record ProgramLoader<N>(
    String function,
    BiFunction<NativeFileName, StringVector, NativeNetwork> fromFile,
    BiFunction<NativeBytes, StringVector, NativeNetwork> fromBytes,
    Function<NativeNetwork, N> maker) {
  N load(Path file, String... taps) {
    List<String> names = names(taps);
    return NativeFiles.load(
        function,
        file,
        path -> load(names, list -> fromFile.apply(path, list)),
        bytes -> load(names, list -> fromBytes.apply(bytes, list)));
  }

  N load(InputStream stream, String... taps) {
    List<String> names = names(taps);
    return NativeFiles.load(
        function, stream, bytes -> load(names, list -> fromBytes.apply(bytes, list)));
  }

  N load(byte[] bytes, String... taps) {
    List<String> names = names(taps);
    return NativeFiles.load(
        function, bytes, content -> load(names, list -> fromBytes.apply(content, list)));
  }

  private List<String> names(String[] taps) {
    Arguments.notNull(taps, function, "taps");
    for (String tap : taps) {
      Arguments.notNull(tap, function, "tap");
    }
    return List.of(taps);
  }

  private N load(List<String> taps, Function<StringVector, NativeNetwork> loader) {
    return Native.call(
        () -> {
          try (StringVector names = StringLists.toVector(taps)) {
            return maker.apply(loader.apply(names));
          }
        });
  }
}
