package org.retort.train;

import java.nio.file.Path;
import org.retort.bindings.NativeStepCheckpoint;
import org.retort.bindings.global.retort;
import org.retort.internal.FlightRecorder;
import org.retort.internal.NativeFiles;
import org.retort.internal.NativeHandle;

/**
 * A copy of everything that a training step changes, which another thread can write to a file while
 * the next steps run. Created by {@link TrainingStep#checkpoint}.
 *
 * <p>Until it is closed, a copy uses as much native memory as the file: the bytes of the student,
 * the optimizer and the losses' memories. It is thread-safe, and independent of the step and the
 * networks, which may be closed.
 */
public final class StepCheckpoint implements AutoCloseable {
  private final NativeHandle<NativeStepCheckpoint> handle;

  StepCheckpoint(NativeStepCheckpoint checkpoint) {
    handle = new NativeHandle<>("StepCheckpoint", checkpoint);
  }

  /**
   * Writes the checkpoint, as {@link TrainingStep#save(Path, String)} would have done when it was
   * created.
   *
   * @param file the file to write, atomically; for {@link TrainingStep#load}
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the checkpoint was closed
   * @throws org.retort.FileException if the file can't be written
   */
  public void write(Path file) {
    CheckpointEvent event = FlightRecorder.isAvailable() ? CheckpointEvent.start() : null;
    NativeFiles.save(
        "StepCheckpoint.write",
        file,
        name -> handle.use(checkpoint -> retort.write_checkpoint(checkpoint, name)),
        memory -> handle.use(checkpoint -> retort.write_checkpoint(checkpoint, memory)));
    if (event != null) {
      event.commit(file);
    }
  }

  /**
   * Writes the student's state dict, as {@link org.retort.models.Network#saveStateDict} would have
   * done when the checkpoint was created.
   *
   * @param file the file to write, atomically
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the checkpoint was closed
   * @throws org.retort.FileException if the file can't be written
   */
  public void writeStudent(Path file) {
    NativeFiles.save(
        "StepCheckpoint.writeStudent",
        file,
        name -> handle.use(checkpoint -> retort.write_student(checkpoint, name)),
        memory -> handle.use(checkpoint -> retort.write_student(checkpoint, memory)));
  }

  /** Frees the copy once a running write has ended. Closing it again has no effect. */
  @Override
  public void close() {
    handle.close();
  }
}
