package org.retort.examples.service;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.retort.testing.ChildJvm;

/** A {@link DigitsService} in a process of its own. */
final class RunningService {
  private static final Pattern ADDRESS = Pattern.compile("listening on /127\\.0\\.0\\.1:(\\d+)\n");

  private RunningService() {}

  /** Waits until it listens, and returns where. */
  static InetSocketAddress address(ChildJvm child) throws IOException, InterruptedException {
    Matcher address = ADDRESS.matcher(child.output());
    while (!address.find()) {
      if (!child.isAlive()) {
        throw new AssertionError("the service has ended: " + child.output());
      }
      Thread.sleep(10);
      address = ADDRESS.matcher(child.output());
    }
    return new InetSocketAddress("127.0.0.1", Integer.parseInt(address.group(1)));
  }
}
