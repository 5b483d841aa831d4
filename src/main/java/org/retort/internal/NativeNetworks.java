package org.retort.internal;

import java.util.function.Function;
import org.retort.bindings.NativeNetwork;

/**
 * The native networks behind networks, whose public class does not expose them: {@code
 * org.retort.models.Network} registers here how to access them, and losses and training steps look
 * them up.
 */
public final class NativeNetworks {
  private static volatile Function<Object, NativeHandle<NativeNetwork>> handles;

  private NativeNetworks() {}

  /**
   * Sets how to access native networks; called once, before there is any network.
   *
   * @param handles returns the handle of a network
   */
  public static void setHandles(Function<Object, NativeHandle<NativeNetwork>> handles) {
    NativeNetworks.handles = handles;
  }

  /**
   * Returns the handle of a network.
   *
   * @param network an {@code org.retort.models.Network}
   * @return the handle
   */
  public static NativeHandle<NativeNetwork> of(Object network) {
    return handles.apply(network);
  }
}
