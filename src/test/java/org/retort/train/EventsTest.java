package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.losses.ProgramLoss;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.ChildJvm;
import org.retort.testing.OwnLosses;
import org.retort.testing.Threads;

/** What the flight recorder is told. */
final class EventsTest {
  @TempDir private Path folder;

  /** Returns Retort's events while something is done, in the order of their ends. */
  private List<RecordedEvent> record(Threads.Task task) throws Exception {
    Path file = folder.resolve("recording.jfr");
    try (Recording recording = new Recording()) {
      recording.start();
      task.run();
      recording.stop();
      recording.dump(file);
    }
    List<RecordedEvent> events = new ArrayList<>(RecordingFile.readAllEvents(file));
    events.removeIf(event -> !event.getEventType().getName().startsWith("org.retort."));
    assertThat(events)
        .allSatisfy(
            event -> assertThat(event.getEventType().getCategoryNames()).containsExactly("Retort"));
    return events;
  }

  private static List<String> names(List<RecordedEvent> events) {
    return events.stream().map(event -> event.getEventType().getName()).toList();
  }

  @Test
  void step_recorded_hasItsNumbers() throws Exception {
    try (SmallStep small = new SmallStep();
        Tensor images = torch.zeros(SmallStep.BATCH, 3, 8, 8);
        Tensor labels = torch.zeros(SmallStep.BATCH).to(ScalarType.Long)) {
      double[] losses = new double[2];
      List<RecordedEvent> events =
          record(
              () -> {
                small.run();
                losses[0] = small.result.total();
                small.step.run(StepInput.of(images, labels), small.result);
                losses[1] = small.result.total();
              });
      assertThat(names(events)).containsExactly("org.retort.Step", "org.retort.Step");
      assertThat(events.get(0).getDouble("loss")).isEqualTo(losses[0]);
      RecordedEvent last = events.get(1);
      assertThat(last.getDouble("loss")).isEqualTo(losses[1]);
      assertThat(last.getDouble("crossEntropy")).isEqualTo(small.result.crossEntropy());
      assertThat(last.getDouble("gradientNorm")).isEqualTo(small.result.gradientNorm());
      assertThat(last.getLong("samples")).isEqualTo(SmallStep.BATCH);
      assertThat(last.getBoolean("updated")).isTrue();
      assertThat(last.getBoolean("skipped")).isFalse();
      Duration inNative = last.getDuration("nativeTime");
      assertThat(inNative.toNanos()).isEqualTo(small.result.nanoseconds());
      assertThat(last.getDuration()).isGreaterThan(Duration.ZERO);
      assertThat(last.getThread().getJavaName()).isEqualTo(Thread.currentThread().getName());
    }
  }

  @Test
  void step_thatFails_isNoEvent() throws Exception {
    try (SmallStep small = new SmallStep()) {
      small.images.put(0, Float.NaN);
      assertThat(record(() -> assertThatThrownBy(small::run))).isEmpty();
    }
  }

  @Test
  void publish_recorded_hasTheNetwork() throws Exception {
    try (SmallStep small = new SmallStep()) {
      List<RecordedEvent> events =
          record(
              () -> {
                small.step.publish();
                small.teacher.publish();
              });
      assertThat(names(events)).containsExactly("org.retort.Publish", "org.retort.Publish");
      assertThat(events)
          .extracting(event -> event.getString("network"))
          .containsExactly("ResNet", "ResNet");
    }
  }

  @Test
  void files_recorded_haveTheirNames() throws Exception {
    Path step = folder.resolve("step");
    Path copy = folder.resolve("copy");
    Path state = folder.resolve("state.pt");
    Path program = folder.resolve("program.ts");
    try (SmallStep small = new SmallStep()) {
      small.student.saveStateDict(state);
      small.student.saveTorchScript(program);
      List<RecordedEvent> events =
          record(
              () -> {
                small.step.save(step);
                small.step.load(step);
                try (StepCheckpoint checkpoint = small.step.checkpoint("")) {
                  checkpoint.write(copy);
                }
                small.student.loadStateDict(state);
                TorchScriptNetwork.load(program).close();
                ProgramLoss.load(OwnLosses.PROGRAM);
                assertThatThrownBy(() -> ProgramLoss.load(state)).isInstanceOf(FileException.class);
                assertThatThrownBy(() -> small.step.load(state)).isInstanceOf(FileException.class);
              });
      assertThat(events)
          .extracting(event -> event.getEventType().getLabel() + " " + event.getString("file"))
          .containsExactly(
              "Checkpoint " + step,
              "Load " + step,
              "Checkpoint " + copy,
              "Load " + state,
              "Load " + program,
              "Load " + OwnLosses.PROGRAM);
      assertThat(events.get(0).getLong("bytes")).isEqualTo(Files.size(step));
      assertThat(events.get(2).getLong("bytes")).isEqualTo(Files.size(copy));
    }
  }

  @Test
  void trainer_checkpoints_areWrittenByAnotherThread() throws Exception {
    Path files = folder.resolve("files");
    try (DigitTraining training = new DigitTraining(2)) {
      List<RecordedEvent> events = record(() -> training.trainer(1).keep(files).build().run());
      events.removeIf(event -> !event.getEventType().getName().equals("org.retort.Checkpoint"));
      assertThat(events)
          .extracting(event -> event.getString("file") + " by " + event.getThread().getJavaName())
          .containsExactlyInAnyOrder( // JFR does not order what several threads record
              files.resolve("probe.checkpoint") + " by " + Thread.currentThread().getName(),
              files.resolve("last.checkpoint") + " by retort-checkpoint");
    }
  }

  @Test
  void step_noLongerRecorded_makesNoGarbage() throws Exception {
    int steps = 250;
    int threads = Retort.threads();
    Retort.threads(1); // the network is too small for more
    try (SmallStep small = new SmallStep()) {
      assertThat(record(() -> small.runSteps(steps))).hasSize(steps);
      small.runSteps(steps);
      ThreadMXBean java = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      long before = java.getCurrentThreadAllocatedBytes();
      small.runSteps(steps);
      // The smallest object takes 16 bytes; the virtual machine's own few are counted, too.
      assertThat(java.getCurrentThreadAllocatedBytes() - before).isLessThan(8L * steps);
    } finally {
      Retort.threads(threads);
    }
  }

  @Test
  void runtimeWithoutFlightRecorder_worksWithoutEvents() throws IOException, InterruptedException {
    try (ChildJvm child =
        ChildJvm.start(
            folder,
            List.of("--limit-modules=java.se,jdk.unsupported,jdk.management"),
            Everything.class)) {
      assertThat(child.await()).as(child.output()).isZero();
    }
  }

  /** Does what there are events of. */
  static final class Everything {
    private Everything() {}

    public static void main(String[] args) {
      assertThat(ModuleLayer.boot().findModule("jdk.jfr")).isEmpty();
      Path step = Path.of("step");
      Path state = Path.of("state.pt");
      try (SmallStep small = new SmallStep()) {
        small.run();
        small.step.publish();
        small.student.publish();
        small.step.save(step);
        try (StepCheckpoint checkpoint = small.step.checkpoint("")) {
          checkpoint.write(step);
        }
        small.step.load(step);
        small.student.saveStateDict(state);
        small.student.loadStateDict(state);
      }
    }
  }
}
