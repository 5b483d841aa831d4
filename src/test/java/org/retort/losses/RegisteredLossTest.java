package org.retort.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertRefused;

import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.RetortException;
import org.retort.internal.NativeCriteria;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.OwnLosses;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.Taps;
import org.retort.train.TrainingStep;

/** Losses of teams' libraries, by their names. */
final class RegisteredLossTest {
  private static final RegisteredLoss LOSS = RegisteredLoss.of("attention_transfer");
  private static final Taps LAYERS = Taps.of("layer1", "layer2");

  @TempDir private Path folder;

  @BeforeAll
  static void load() {
    RegisteredLoss.loadLibrary(OwnLosses.builtLibrary());
  }

  @Test
  void with_eachKindOfValue_isText() {
    RegisteredLoss loss =
        LOSS.with("power", 2).with("scale", 0.5).with("fast", true).with("kernel", "poly");
    assertThat(loss.options())
        .isEqualTo(Map.of("power", "2", "scale", "0.5", "fast", "true", "kernel", "poly"));
    assertThat(loss)
        .hasToString(
            "RegisteredLoss[name=attention_transfer, options={power=2, scale=0.5, fast=true,"
                + " kernel=poly}]");
    assertThat(loss.with("power", 3).options()).containsEntry("power", "3").hasSize(4);
  }

  @Test
  void values_areEqualInAnyOrder() {
    assertThat(LOSS.with("a", 1).with("b", 2))
        .isEqualTo(LOSS.with("b", 2).with("a", 1))
        .hasSameHashCodeAs(LOSS.with("b", 2).with("a", 1))
        .isNotEqualTo(LOSS.with("a", 1))
        .isNotEqualTo(RegisteredLoss.of("other").with("a", 1).with("b", 2));
  }

  @Test
  void options_areCopied() {
    Map<String, String> options = new HashMap<>(Map.of("power", "2"));
    RegisteredLoss loss = new RegisteredLoss("attention_transfer", options);
    options.put("power", "3");
    assertThat(loss).isEqualTo(LOSS.with("power", 2));
    assertThatThrownBy(() -> loss.options().put("power", "3"))
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void nulls_areRefused() {
    assertIllegal(() -> RegisteredLoss.of(null), "RegisteredLoss: name must be given (got null)");
    assertIllegal(
        () -> new RegisteredLoss("a", null), "RegisteredLoss: options must be given (got null)");
    assertIllegal(() -> LOSS.with(null, 1), "RegisteredLoss.with: key must be given (got null)");
    assertIllegal(
        () -> LOSS.with("power", null),
        "RegisteredLoss.with: value of power must be given (got null)");
    Map<String, String> options = new HashMap<>();
    options.put("power", null);
    assertIllegal(
        () -> new RegisteredLoss("a", options),
        "RegisteredLoss: value of power must be given (got null)");
  }

  @Test
  void registered_listsTheLibrarysLoss() {
    assertThat(RegisteredLoss.registered()).contains("attention_transfer").isSorted();
    assertThat(RegisteredLoss.loadLibrary(OwnLosses.builtLibrary()))
        .containsExactly("attention_transfer");
  }

  @Test
  void registered_libraryThatJavaLoads_isListed() {
    System.load(OwnLosses.built("libteam_unloaded.so").toString());
    assertThat(RegisteredLoss.registered()).contains("of_team_unloaded");
  }

  @Test
  void description_hasAllOptions() {
    try (var options = NativeCriteria.of(LOSS)) {
      assertThat(options.description()).isEqualTo("attention_transfer(power=2)");
    }
    try (var options = NativeCriteria.of(LOSS.with("power", 1e-5))) {
      assertThat(options.description()).isEqualTo("attention_transfer(power=1e-05)");
    }
  }

  @Test
  void build_wrongNamesKeysAndValues_areRefused() {
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = ResNet.cifar(8, 5)) {
      assertThatThrownBy(
              () -> step(student, teacher, RegisteredLoss.of("attention_transfr"), LAYERS))
          .isInstanceOf(RetortException.class)
          .hasMessageStartingWith("make_criterion: name must be one of ")
          .hasMessageEndingWith(" (got attention_transfr, did you mean attention_transfer?)");
      assertRefused(
          () -> step(student, teacher, LOSS.with("pwer", 2), LAYERS),
          "attention_transfer: option must be one of power (got pwer, did you mean power?)");
      assertRefused(
          () -> step(student, teacher, LOSS.with("power", "much"), LAYERS),
          "attention_transfer: power must be a finite number (got much)");
      assertRefused(
          () -> step(student, teacher, LOSS.with("power", Double.NaN), LAYERS),
          "attention_transfer: power must be a finite number (got NaN)");
      assertRefused(
          () -> step(student, teacher, LOSS.with("power", -1), LAYERS),
          "attention_transfer: power must be positive (got -1)");
      assertRefused(
          () -> step(student, teacher, LOSS, Taps.of()),
          "attention_transfer: taps must be one or more pairs (got 0 and 0)");
    }
  }

  @Test
  void checkpoint_ofOtherOptions_isRefused() {
    Path file = folder.resolve("checkpoint");
    try (Network student = ResNet.cifar(8, 5);
        Network teacher = ResNet.cifar(8, 5)) {
      try (TrainingStep step = step(student, teacher, LOSS.with("power", 3), LAYERS)) {
        StepResult result = step.newResult();
        step.run(StepInput.of(new float[2 * 3 * 8 * 8], new long[] {1, 2}), result);
        step.save(file);
      }
      try (TrainingStep step = step(student, teacher, LOSS.with("power", 3.0), LAYERS)) {
        step.load(file);
      }
      try (TrainingStep step = step(student, teacher, LOSS, LAYERS)) {
        assertFileRefused(
            () -> step.load(file),
            "TrainingStep.load: power of attention_transfer of term 0 must be 2, as in this step"
                + " (got 3 in "
                + file
                + ")");
      }
    }
  }

  @Test
  void loadLibrary_otherFiles_areRefused() throws IOException {
    Path missing = folder.resolve("libnone.so");
    assertFileRefused(
        () -> RegisteredLoss.loadLibrary(missing),
        "load_criteria: path must be an existing file (got " + missing + ")");
    Path text = Files.writeString(folder.resolve("text"), "text");
    assertThatThrownBy(() -> RegisteredLoss.loadLibrary(text))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "load_criteria: path must be a library that can be loaded (got " + text + ": ");
    assertIllegal(
        () -> RegisteredLoss.loadLibrary(null),
        "RegisteredLoss.loadLibrary: file must be given (got null)");
    Path zip = folder.resolve("files.zip");
    try (FileSystem files = FileSystems.newFileSystem(zip, Map.of("create", "true"))) {
      assertIllegal(
          () -> RegisteredLoss.loadLibrary(files.getPath("/a.so")),
          "RegisteredLoss.loadLibrary: file must be of the default file system, since the system"
              + " loads it (got /a.so of jar)");
    }
  }

  @Test
  void loadLibrary_nameOfAnotherLibrary_isRefused() {
    Path one = OwnLosses.built("libteam_one.so");
    Path two = OwnLosses.built("libteam_two.so");
    assertThat(RegisteredLoss.loadLibrary(one)).containsExactly("of_team_one", "of_two_teams");
    assertRefused(
        () -> RegisteredLoss.loadLibrary(two),
        "register_criterion: name must be registered once (got of_two_teams of "
            + one
            + " and of "
            + two
            + ")");
  }

  private static TrainingStep step(
      Network student, Network teacher, RegisteredLoss loss, Taps taps) {
    return TrainingStep.builder(student, teacher).inputShape(3, 8, 8).add(10, loss, taps).build();
  }
}
