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
 * A loss of a team's own native library, by the name under which the library registers it with
 * {@code RETORT_REGISTER_CRITERION}, and by its options as keys and values.
 *
 * <pre>{@code
 * RegisteredLoss.loadLibrary(Path.of("/opt/team/libattention_transfer.so"));
 * DistillationLoss loss = RegisteredLoss.of("attention_transfer").with("power", 2);
 * }</pre>
 *
 * <p>As a term of a training step it compares the taps and logits that its library says. Whether
 * there is such a name, such a key and such a value is checked when the step is built, since the
 * library may be loaded later than the loss is made. In checkpoints it is described by its name and
 * all its options, also those with their defaults.
 *
 * @param name what the library calls it
 * @param options texts by keys, in the order in which they were set, which does not matter
 */
public record RegisteredLoss(String name, Map<String, String> options) implements DistillationLoss {
  static {
    NativeCriteria.register(RegisteredLoss.class, RegisteredLoss::nativeOptions);
  }

  private static final String NAME = "RegisteredLoss";
  private static final String WITH = NAME + ".with";
  private static final String LOAD = NAME + ".loadLibrary";

  /**
   * Makes a loss.
   *
   * @param name what the library calls it
   * @param options texts by keys
   * @throws IllegalArgumentException if an argument, a key or a text is null
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
   * The loss with its library's defaults.
   *
   * @param name what the library calls it
   * @return the loss
   * @throws IllegalArgumentException if it is null
   */
  public static RegisteredLoss of(String name) {
    return new RegisteredLoss(name, Map.of());
  }

  /**
   * Loads a library that registers losses, after LibTorch and Retort. It stays loaded until the
   * process ends; loading it again changes nothing. {@link System#load} and {@link
   * System#loadLibrary} do as well, once Retort is loaded, but say less of what is wrong.
   *
   * <p><b>A library is native code: load only files you trust.</b>
   *
   * @param file a library of the default file system, linked against this version of Retort and of
   *     LibTorch
   * @return the names of the losses that it registers, at least one, in alphabetical order
   * @throws IllegalArgumentException if the file is null or of another file system
   * @throws org.retort.FileException if the file is missing, can't be loaded or registers no loss
   * @throws org.retort.RetortException if another library has registered one of its names before
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
   * Lists the losses of all libraries that are loaded.
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
   * Sets an option that is a text, or is given as one: {@code "[1, 2]"} for a list of numbers.
   *
   * @param key what the library calls it
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
   * Sets an option that is a number.
   *
   * @param key what the library calls it
   * @param value finite
   * @return a changed copy
   * @throws IllegalArgumentException if the key is null
   */
  public RegisteredLoss with(String key, double value) {
    return with(key, Double.toString(value));
  }

  /**
   * Sets an option that is a number, or an integer.
   *
   * @param key what the library calls it
   * @param value any
   * @return a changed copy
   * @throws IllegalArgumentException if the key is null
   */
  public RegisteredLoss with(String key, long value) {
    return with(key, Long.toString(value));
  }

  /**
   * Sets an option that is true or false.
   *
   * @param key what the library calls it
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
