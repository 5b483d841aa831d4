package org.retort.internal;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.retort.bindings.NativeCriterionOptions;

/**
 * The native options behind losses, whose public classes do not expose them: each loss registers
 * here how they are created, and training steps look them up.
 */
public final class NativeCriteria {
  private static final Map<Class<?>, Function<Object, NativeCriterionOptions>> MAKERS =
      new ConcurrentHashMap<>();

  private NativeCriteria() {}

  /**
   * Registers a loss; called once, by its static initialiser.
   *
   * @param loss its class
   * @param maker creates new native options, which the caller closes
   * @param <L> the type of the loss
   */
  public static <L> void register(Class<L> loss, Function<L, NativeCriterionOptions> maker) {
    MAKERS.put(loss, object -> maker.apply(loss.cast(object)));
  }

  /**
   * Creates the native options of a loss.
   *
   * @param loss an {@code org.retort.losses.DistillationLoss}
   * @return new native options, which the caller closes
   */
  public static NativeCriterionOptions of(Object loss) {
    return MAKERS.get(loss.getClass()).apply(loss);
  }
}
