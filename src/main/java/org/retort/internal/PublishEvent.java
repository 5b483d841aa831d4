package org.retort.internal;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A flight recorder event for publishing weights. */
@Name("org.retort.Publish")
@Label("Publish")
@Description("Weights published for predictions")
@Category("Retort")
@StackTrace(false)
public final class PublishEvent extends Event {
  private static final PublishEvent ANY = new PublishEvent();

  @Label("Network")
  private String network;

  private PublishEvent() {}

  /**
   * Starts an event.
   *
   * @return a new event, or null if such events are not being recorded
   */
  public static PublishEvent start() {
    if (!ANY.isEnabled()) {
      return null;
    }
    PublishEvent event = new PublishEvent();
    event.begin();
    return event;
  }

  /**
   * Records the event.
   *
   * @param publishedNetwork the class of the network
   */
  public void commit(String publishedNetwork) {
    network = publishedNetwork;
    commit();
  }
}
