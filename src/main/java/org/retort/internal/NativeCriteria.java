package org.retort.internal;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.retort.bindings.NativeCriterionOptions;

/**
 * The native options behind losses, whose public classes do not show them: each loss registers here
 * how they are made, and training steps ask.
 */
public final class NativeCriteria {
  private static final Map<Class<?>, Function<Object, NativeCriterionOptions>> MAKERS =
      new ConcurrentHashMap<>();

  private NativeCriteria() {}

  /**
   * Registers a loss; called once, by its static initialiser.
   *
   * @param loss its class
   * @param maker makes new native options, which the caller closes
   * @param <L> the loss
   */
  public static <L> void register(Class<L> loss, Function<L, NativeCriterionOptions> maker) {
    MAKERS.put(loss, object -> maker.apply(loss.cast(object)));
  }

  /**
   * Makes the native options of a loss.
   *
   * @param loss an {@code org.retort.losses.DistillationLoss}
   * @return new native options, which the caller closes
   */
  public static NativeCriterionOptions of(Object loss) {
    return MAKERS.get(loss.getClass()).apply(loss);
  }
}
