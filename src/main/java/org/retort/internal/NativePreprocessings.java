package org.retort.internal;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.retort.bindings.NativePreprocessing;

/**
 * The native preprocessings behind preprocessings, whose public class does not show them: {@code
 * org.retort.models.Preprocessing} says here how they are handed over, and networks, predictors and
 * training steps ask.
 */
public final class NativePreprocessings {
  private static volatile BiConsumer<Object, Consumer<NativePreprocessing>> giver;

  private NativePreprocessings() {}

  /**
   * Sets how preprocessings are handed over; called once, before there is any.
   *
   * @param giver gives a new native preprocessing to what must copy it at once
   */
  public static void setGiver(BiConsumer<Object, Consumer<NativePreprocessing>> giver) {
    NativePreprocessings.giver = giver;
  }

  /**
   * Hands over a native preprocessing.
   *
   * @param preprocessing an {@code org.retort.models.Preprocessing}
   * @param setter must copy it at once
   */
  public static void give(Object preprocessing, Consumer<NativePreprocessing> setter) {
    giver.accept(preprocessing, setter);
  }
}
