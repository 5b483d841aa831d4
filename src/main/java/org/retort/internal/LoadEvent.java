package org.retort.internal;

import java.nio.file.Path;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A flight recorder event for reading a file. */
@Name("org.retort.Load")
@Label("Load")
@Description("Checkpoint, state dict, program or stored outputs read")
@Category("Retort")
@StackTrace(false)
public final class LoadEvent extends Event {
  private static final LoadEvent ANY = new LoadEvent();

  @Label("File")
  private String file;

  private LoadEvent() {}

  /**
   * Starts an event.
   *
   * @return a new event, or null if such events are not being recorded
   */
  public static LoadEvent start() {
    if (!ANY.isEnabled()) {
      return null;
    }
    LoadEvent event = new LoadEvent();
    event.begin();
    return event;
  }

  /**
   * Records the event.
   *
   * @param loadedFile the file that was read
   */
  public void commit(Path loadedFile) {
    file = loadedFile.toString();
    commit();
  }
}
