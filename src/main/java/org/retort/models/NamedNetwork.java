package org.retort.models;

import org.retort.bindings.NativeNetwork;

/** A network that only its name tells from others. */
final class NamedNetwork extends Network {
  NamedNetwork(NativeNetwork network) {
    super("Network", network);
  }
}
