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

/** A flight recorder event for the writing of a checkpoint. */
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

  /** Begins an event; returns null if events of this type are not recorded. */
  static @Nullable CheckpointEvent start() {
    if (!ANY.isEnabled()) {
      return null;
    }
    CheckpointEvent event = new CheckpointEvent();
    event.begin();
    return event;
  }

  /** Commits the event for a file that was written. */
  void commit(Path written) {
    end();
    file = written.toString();
    bytes = new File(file).length();
    commit();
  }
}
