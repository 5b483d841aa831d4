package org.retort.losses;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.StringVector;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.NativeFileName;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeFiles;
import org.retort.internal.StringLists;

/**
 * A loss from your own native library, identified by the name under which the library registers it
 * with {@code RETORT_REGISTER_CRITERION}, and by its options as keys and values.
 *
 * <pre>{@code
 * RegisteredLoss.loadLibrary(Path.of("/opt/team/libattention_transfer.so"));
 * DistillationLoss loss = RegisteredLoss.of("attention_transfer").with("power", 2);
 * }</pre>
 *
 * <p>As a term of a training step, it compares the taps and logits that its library specifies. The
 * name, keys and values are checked when the step is built, since the library may be loaded after
 * the loss is created. In checkpoints, it is described by its name and all its options, including
 * those left at their defaults.
 *
 * @param name its name in the library
 * @param options text values by key, in the order in which they were set, which does not matter
 */
public record RegisteredLoss(String name, Map<String, String> options) implements DistillationLoss {
  static {
    NativeCriteria.register(RegisteredLoss.class, RegisteredLoss::nativeOptions);
  }

  private static final String NAME = "RegisteredLoss";
  private static final String WITH = NAME + ".with";
  private static final String LOAD = NAME + ".loadLibrary";

  /**
   * Creates a loss.
   *
   * @param name its name in the library
   * @param options text values by key
   * @throws IllegalArgumentException if an argument, a key or a value is null
   */
  public RegisteredLoss {
    Arguments.notNull(name, NAME, "name");
    Map<String, String> copy = new LinkedHashMap<>(Arguments.notNull(options, NAME, "options"));
    copy.forEach(
        (key, value) -> {
          Arguments.notNull(key, NAME, "key");
          Arguments.notNull(value, NAME, "value of " + key);
        });
    options = Collections.unmodifiableMap(copy);
  }

  /**
   * Returns the loss with its library's defaults.
   *
   * @param name its name in the library
   * @return the loss
   * @throws IllegalArgumentException if it is null
   */
  public static RegisteredLoss of(String name) {
    return new RegisteredLoss(name, Map.of());
  }

  /**
   * Loads a library that registers losses, after LibTorch and Retort. It stays loaded until the
   * process ends; loading it again has no effect. {@link System#load} and {@link
   * System#loadLibrary} work as well, once Retort is loaded, but report errors in less detail.
   *
   * <p><b>A library is native code: load only files you trust.</b>
   *
   * @param file a library in the default file system, linked against this version of Retort and of
   *     LibTorch
   * @return the names of the losses that it registers, at least one, in alphabetical order
   * @throws IllegalArgumentException if the file is null or in another file system
   * @throws org.retort.FileException if the file is missing, can't be loaded or registers no loss
   * @throws org.retort.RetortException if another library has already registered one of its names
   */
  public static List<String> loadLibrary(Path file) {
    NativeFiles.requireNative(LOAD, file, "since the system loads it");
    return Native.call(
        () -> {
          try (NativeFileName path = NativeFiles.nameOf(file);
              StringVector names = retort.load_criteria(path)) {
            return StringLists.toList(names);
          }
        });
  }

  /**
   * Lists the losses of all loaded libraries.
   *
   * @return their names, in alphabetical order
   */
  public static List<String> registered() {
    return Native.call(
        () -> {
          try (StringVector names = retort.registered_criteria()) {
            return StringLists.toList(names);
          }
        });
  }

  /**
   * Sets a text option, or one that is given as text: {@code "[1, 2]"} for a list of numbers.
   *
   * @param key its name in the library
   * @param value the text
   * @return a changed copy
   * @throws IllegalArgumentException if an argument is null
   */
  public RegisteredLoss with(String key, String value) {
    Arguments.notNull(key, WITH, "key");
    Arguments.notNull(value, WITH, "value of " + key);
    Map<String, String> changed = new LinkedHashMap<>(options);
    changed.put(key, value);
    return new RegisteredLoss(name, changed);
  }

  /**
   * Sets a numeric option.
   *
   * @param key its name in the library
   * @param value finite
   * @return a changed copy
   * @throws IllegalArgumentException if the key is null
   */
  public RegisteredLoss with(String key, double value) {
    return with(key, Double.toString(value));
  }

  /**
   * Sets a numeric or integer option.
   *
   * @param key its name in the library
   * @param value any
   * @return a changed copy
   * @throws IllegalArgumentException if the key is null
   */
  public RegisteredLoss with(String key, long value) {
    return with(key, Long.toString(value));
  }

  /**
   * Sets a boolean option.
   *
   * @param key its name in the library
   * @param value any
   * @return a changed copy
   * @throws IllegalArgumentException if the key is null
   */
  public RegisteredLoss with(String key, boolean value) {
    return with(key, Boolean.toString(value));
  }

  NativeCriterionOptions nativeOptions() {
    return Native.call(
        () -> {
          try (StringVector keys = StringLists.toVector(List.copyOf(options.keySet()));
              StringVector values = StringLists.toVector(List.copyOf(options.values()))) {
            return retort.make_criterion(name, keys, values);
          }
        });
  }
}
