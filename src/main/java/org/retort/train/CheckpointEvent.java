package org.retort.train;

import java.io.File;
import java.nio.file.Path;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** The writing of a checkpoint in the flight recorder. */
@Name("org.retort.Checkpoint")
@Label("Checkpoint")
@Description("Checkpoint written and synced")
@Category("Retort")
@StackTrace(false)
final class CheckpointEvent extends Event {
  private static final CheckpointEvent ANY = new CheckpointEvent();

  @Label("File")
  private @Nullable String file;

  @Label("Size")
  @DataAmount
  private long bytes;

  private CheckpointEvent() {}

  /** Begins an event; returns null if nobody records such. */
  static @Nullable CheckpointEvent start() {
    if (!ANY.isEnabled()) {
      return null;
    }
    CheckpointEvent event = new CheckpointEvent();
    event.begin();
    return event;
  }

  /** Records the event of a file that was written. */
  void commit(Path written) {
    end();
    file = written.toString();
    bytes = new File(file).length();
    commit();
  }
}
