package org.retort.internal;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.retort.bindings.NativePreprocessing;

/**
 * The native preprocessings behind preprocessings, whose public class does not expose them: {@code
 * org.retort.models.Preprocessing} registers here how they are passed on, and networks, predictors
 * and training steps request them.
 */
public final class NativePreprocessings {
  private static volatile BiConsumer<Object, Consumer<NativePreprocessing>> giver;

  private NativePreprocessings() {}

  /**
   * Sets how preprocessings are passed on; called once, before there is any.
   *
   * @param giver passes a new native preprocessing to a setter, which must copy it immediately
   */
  public static void setGiver(BiConsumer<Object, Consumer<NativePreprocessing>> giver) {
    NativePreprocessings.giver = giver;
  }

  /**
   * Passes a native preprocessing to a setter.
   *
   * @param preprocessing an {@code org.retort.models.Preprocessing}
   * @param setter must copy it immediately
   */
  public static void give(Object preprocessing, Consumer<NativePreprocessing> setter) {
    giver.accept(preprocessing, setter);
  }
}
