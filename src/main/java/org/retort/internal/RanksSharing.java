package org.retort.internal;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.retort.bindings.NativeRanks;

/**
 * The native ranks behind ranks, whose public class does not expose them: {@code
 * org.retort.distributed.Ranks} registers here how to access them, and training steps look them up.
 */
public final class RanksSharing {
  private static volatile BiConsumer<Object, Consumer<NativeRanks>> sharer;

  private RanksSharing() {}

  /**
   * Sets how to access native ranks; called once, before there are any ranks.
   *
   * @param sharer calls a user of ranks, unless there is one rank
   */
  public static void setSharer(BiConsumer<Object, Consumer<NativeRanks>> sharer) {
    RanksSharing.sharer = sharer;
  }

  /**
   * Lets a native object share ranks.
   *
   * @param ranks an {@code org.retort.distributed.Ranks}
   * @param user the object that shares them; not called if there is one rank
   */
  public static void share(Object ranks, Consumer<NativeRanks> user) {
    sharer.accept(ranks, user);
  }
}
