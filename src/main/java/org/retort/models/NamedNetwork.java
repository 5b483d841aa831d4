package org.retort.models;

import org.retort.bindings.NativeNetwork;

/** A network distinguished from others only by its name. */
final class NamedNetwork extends Network {
  NamedNetwork(NativeNetwork network) {
    super("Network", network);
  }
}
