package org.retort.internal;

import org.retort.bindings.NativeNetwork;

/** What has a native network: {@code org.retort.models.Network}, which losses must not know. */
public interface NetworkHolder {
  /**
   * The handle of the native network; for Retort's own use.
   *
   * @return the handle
   */
  NativeHandle<NativeNetwork> nativeHandle();
}
