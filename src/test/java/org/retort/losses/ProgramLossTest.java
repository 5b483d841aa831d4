package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.JitModule;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.Retort;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.Bits;
import org.retort.testing.OwnLosses;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** Losses that are TorchScript programs. */
final class ProgramLossTest {
  private static final Taps EMBEDDING = Taps.of("embedding");

  /** A loss with a parameter and a buffer. */
  private static final String HINT =
      """
      def forward(self, student_taps: List[Tensor], teacher_taps: List[Tensor], labels):
          self.calls.add_(1)
          assert int(labels.max()) < 4, 'label 4 is not for this loss'
          return (torch.matmul(student_taps[0], self.weight) - teacher_taps[0]).square().mean()
      """;

  @TempDir private Path folder;
  @AutoClose private final PointerScope scope = new PointerScope();

  @Test
  void load_fromFileStreamAndMemory_isTheSame() throws IOException {
    byte[] bytes = Files.readAllBytes(OwnLosses.PROGRAM);
    ProgramLoss loss = ProgramLoss.load(OwnLosses.PROGRAM);
    assertThat(loss).isEqualTo(ProgramLoss.load(bytes)).hasSameHashCodeAs(ProgramLoss.load(bytes));
    assertThat(loss).isEqualTo(ProgramLoss.load(new ByteArrayInputStream(bytes)));
    assertThat(loss)
        .hasToString("ProgramLoss[file=" + OwnLosses.PROGRAM + ", bytes=" + bytes.length + "]")
        .isNotEqualTo(ProgramLoss.load(save("hint.ts", HINT)));
    Path zip = folder.resolve("files.zip");
    try (FileSystem files = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
      Path inside = Files.write(files.getPath("/loss.ts"), bytes);
      assertThat(ProgramLoss.load(inside)).isEqualTo(loss);
    }
  }

  @Test
  void load_bytesChangedLater_areNotSeen() throws IOException {
    byte[] bytes = Files.readAllBytes(OwnLosses.PROGRAM);
    ProgramLoss loss = ProgramLoss.load(bytes);
    bytes[0] = 0;
    assertThat(loss).isEqualTo(ProgramLoss.load(OwnLosses.PROGRAM));
  }

  @Test
  void load_otherFiles_areRefused() throws IOException {
    assertIllegal(
        () -> ProgramLoss.load((Path) null), "ProgramLoss.load: file must be given (got null)");
    assertIllegal(
        () -> ProgramLoss.load((InputStream) null),
        "ProgramLoss.load: stream must be given (got null)");
    assertIllegal(
        () -> ProgramLoss.load((byte[]) null), "ProgramLoss.load: bytes must be given (got null)");
    Path missing = folder.resolve("none.ts");
    assertThatThrownBy(() -> ProgramLoss.load(missing))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "ProgramLoss.load: file must be one that can be read (got " + missing + ": ");
    Path text = Files.writeString(folder.resolve("text.ts"), "text");
    assertFileRefused(
        () -> ProgramLoss.load(text),
        "load_program_loss: file must be saved by torch.export.save or torch.jit.save (got "
            + text
            + ")");
    IOException broken = new IOException("broken");
    assertThatThrownBy(
            () ->
                ProgramLoss.load(
                    new InputStream() {
                      @Override
                      public int read() throws IOException {
                        throw broken;
                      }
                    }))
        .isInstanceOf(FileException.class)
        .hasCause(broken);
  }

  @Test
  void load_otherPrograms_areRefused() {
    Path file = save("other.ts", "def forward(self, teacher_tap):\n    return teacher_tap\n");
    assertRefused(
        () -> ProgramLoss.load(file),
        "load_program_loss: arguments of forward in "
            + file
            + " must be one of student_logits, teacher_logits, labels, weights, indices,"
            + " student_taps, teacher_taps (got teacher_tap, did you mean teacher_taps?)");
  }

  @Test
  void step_trainsItsParametersAndKeepsThemInCheckpoints() {
    ProgramLoss loss = ProgramLoss.load(save("hint.ts", HINT));
    Path checkpoint = folder.resolve("checkpoint");
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = ResNet.cifar(8, 5);
        TrainingStep step = step(student, teacher, loss);
        TrainingStep other = step(student, teacher, loss)) {
      Tensor before = weight(step).clone();
      StepResult result = step.newResult();
      for (int i = 0; i < 3; i++) {
        step.run(batch(3), result);
      }
      assertThat(weight(step).equal(before)).isFalse();
      assertThat(step.state().get("terms.0.calls").item_long()).isEqualTo(3);
      step.save(checkpoint);
      assertThat(weight(other).equal(before)).isTrue();
      other.load(checkpoint);
      assertThat(Bits.of(weight(other))).isEqualTo(Bits.of(weight(step)));

      ProgramLoss changed = ProgramLoss.load(save("changed.ts", HINT.replace("square", "abs")));
      try (TrainingStep wrong = step(student, teacher, changed)) {
        assertThatThrownBy(() -> wrong.load(checkpoint))
            .isInstanceOf(FileException.class)
            .hasMessageStartingWith(
                "TrainingStep.load: program of program_loss of term 0 must be #");
      }
    }
  }

  @Test
  void step_programFails_changesNothingAndSaysWhyInOneLine() {
    ProgramLoss loss = ProgramLoss.load(save("hint.ts", HINT));
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = ResNet.cifar(8, 5);
        TrainingStep step = step(student, teacher, loss)) {
      Map<String, ?> before = Bits.of(step.state());
      StepResult result = step.newResult();
      assertRefused(
          () -> step.run(batch(4), result),
          "program_loss: program must compute the loss (got AssertionError: label 4 is not for"
              + " this loss)");
      assertThat(Bits.of(step.state())).isEqualTo(before);
      step.run(batch(3), result);
      assertThat(result.updated()).isTrue();
    }
  }

  @Test
  void step_attentionTransfer_isTheLibrarys() {
    RegisteredLoss.loadLibrary(OwnLosses.builtLibrary());
    Retort.manualSeed(4);
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = ResNet.cifar(14, 5);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .inputShape(3, 8, 8)
                .add(1, ProgramLoss.load(OwnLosses.PROGRAM), Taps.of("layer1", "layer3"))
                .add(1, RegisteredLoss.of("attention_transfer"), Taps.of("layer1", "layer3"))
                .build()) {
      StepResult result = step.newResult();
      step.run(batch(3), result);
      assertThat(result.term(0)).isPositive();
      assertThat(result.term(0)).isCloseTo(result.term(1), within(1e-5 * result.term(1)));
    }
  }

  private static Tensor weight(TrainingStep step) {
    return step.state().get("terms.0.weight");
  }

  private static StepInput batch(long label) {
    float[] images = new float[2 * 3 * 8 * 8];
    for (int i = 0; i < images.length; i++) {
      images[i] = i % 13 - 6;
    }
    return StepInput.of(images, new long[] {1, label});
  }

  private static TrainingStep step(Network student, Network teacher, ProgramLoss loss) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 8, 8)
        .add(1, loss, EMBEDDING)
        .build();
  }

  private Path save(String name, String forward) {
    JitModule module = new JitModule(new QualifiedName("Loss"));
    module.register_parameter("weight", torch.eye(64).requires_grad_(true), false);
    module.register_buffer("calls", torch.zeros(1).squeeze());
    module.define(forward);
    Path file = folder.resolve(name);
    module.save(file.toString());
    return file;
  }
}
