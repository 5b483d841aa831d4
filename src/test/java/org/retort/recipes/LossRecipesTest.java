package org.retort.recipes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.FileException;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.internal.NativeCriteria;
import org.retort.losses.CrdLoss;
import org.retort.losses.DistillationLoss;
import org.retort.losses.DkdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.losses.ProgramLoss;
import org.retort.losses.RegisteredLoss;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.testing.OwnLosses;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;

/** Every option of every loss, by its name in recipes. */
final class LossRecipesTest {
  private static final int BATCH = 64;
  private static final long[] LABELS = {0, 1, 0, 1, 2};

  @Test
  void kd_allOptions_areTaken() {
    KdLoss loss = (KdLoss) read("{loss: kd, temperature: 2.5, target: probabilities}");
    assertThat(loss.temperature()).isEqualTo(2.5);
    assertThat(loss.target()).isEqualTo(KdLoss.Target.PROBABILITIES);
  }

  @Test
  void dkd_allOptions_areTaken() {
    DkdLoss loss =
        (DkdLoss) read("{loss: dkd, temperature: 2, alpha: 0.5, beta: 3, standardise: true}");
    assertThat(loss.temperature()).isEqualTo(2);
    assertThat(loss.alpha()).isEqualTo(0.5);
    assertThat(loss.beta()).isEqualTo(3);
    assertThat(loss.standardise()).isTrue();
    assertThat(((DkdLoss) read("{loss: dkd, temperature: 4}")).standardise()).isFalse();
  }

  @Test
  void fsp_allOptions_areTaken() {
    FspLoss loss =
        (FspLoss)
            read(
                "{loss: fsp, pairs: [[0, 2]], pooling: max, reduction: paper, adapt_channels:"
                    + " true}");
    assertThat(loss.pairs()).containsExactly(new FspLoss.Pair(0, 2));
    assertThat(loss.pooling()).isEqualTo(FspLoss.Pooling.MAX);
    assertThat(loss.reduction()).isEqualTo(FspLoss.Reduction.PAPER);
    assertThat(loss.adaptChannels()).isTrue();
  }

  @Test
  void nst_allOptions_areTaken() {
    NstLoss polynomial =
        (NstLoss)
            read(
                "{loss: nst, degree: 3, offset: 0.5, teacher_term: false, dead_channel_norm:"
                    + " 1e-3}");
    assertThat(polynomial.kernel()).isEqualTo(NstLoss.Kernel.POLYNOMIAL);
    assertThat(polynomial.degree()).isEqualTo(3);
    assertThat(polynomial.offset()).isEqualTo(0.5);
    assertThat(polynomial.teacherTerm()).isFalse();
    assertThat(polynomial.deadChannelNorm()).isEqualTo(1e-3);
    assertThat(((NstLoss) read("{loss: nst}")).teacherTerm()).isTrue();
    assertThat(((NstLoss) read("{loss: nst, kernel: linear}")).kernel())
        .isEqualTo(NstLoss.Kernel.LINEAR);
    assertThat(((NstLoss) read("{loss: nst, kernel: gaussian, variance: 2}")).variance())
        .hasValue(2);
  }

  @Test
  void ofd_allOptions_areTaken() {
    OfdLoss loss =
        (OfdLoss)
            read("{loss: ofd, reduction: batchmean, layer_decay: 0.5, scale: 10, init: kaiming}");
    assertThat(loss.reduction()).isEqualTo(OfdLoss.Reduction.BATCH_MEAN);
    assertThat(loss.layerDecay()).isEqualTo(0.5);
    assertThat(loss.scale()).isEqualTo(10);
    assertThat(loss.init()).isEqualTo(OfdLoss.Init.KAIMING);
  }

  @Test
  void registered_allOptions_areTaken() {
    RegisteredLoss loss =
        (RegisteredLoss)
            read(
                "{loss: registered, criterion: own, options: {power: 2, fast: true, scales: [1,"
                    + " 0.5], kernel: poly}}");
    assertThat(loss.name()).isEqualTo("own");
    assertThat(loss.options())
        .isEqualTo(Map.of("power", "2", "fast", "true", "scales", "1, 0.5", "kernel", "poly"));
    assertThat(((RegisteredLoss) read("{loss: registered, criterion: own}")).options()).isEmpty();
  }

  @Test
  void registered_library_isLoadedWhenItIsNeeded() {
    String yaml = "{loss: registered, criterion: attention_transfer, library: %s}";
    assertThat(read(yaml.formatted(OwnLosses.builtLibrary())))
        .isEqualTo(RegisteredLoss.of("attention_transfer"));
    assertThat(RegisteredLoss.registered()).contains("attention_transfer");
    LossRecipe missing = recipe(yaml.formatted("lib/none.so"));
    assertThatThrownBy(() -> missing.loss(new LossContext(LABELS, BATCH, null, List.of())))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith("load_criteria: path must be an existing file (got /")
        .hasMessageEndingWith("/lib/none.so)");
  }

  @Test
  void program_file_isLoadedWhenItIsNeeded() {
    assertThat(read("{loss: program, file: " + OwnLosses.PROGRAM.toAbsolutePath() + "}"))
        .isEqualTo(ProgramLoss.load(OwnLosses.PROGRAM));
    LossRecipe missing = recipe("{loss: program, file: none.ts}");
    assertThatThrownBy(() -> missing.loss(new LossContext(LABELS, BATCH, null, List.of())))
        .isInstanceOf(FileException.class)
        .hasMessageStartingWith(
            "ProgramLoss.load: file must be one that can be read (got none.ts: ");
  }

  /** As descriptions in checkpoints have them, which list all options of a loss. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{loss: kd, temperature: 2.5, target: standardised_logits}",
        "{loss: dkd, temperature: 2.5, alpha: 0.5, beta: 3, standardise: true}",
        "{loss: fsp, pooling: max, reduction: torchdistill, adapt_channels: true, pairs: []}",
        "{loss: nst, kernel: polynomial, degree: 3, offset: 0.5, teacher_term: false,"
            + " dead_channel_norm: 0.001, variance: none}",
        "{loss: ofd, reduction: batchmean, layer_decay: 0.5, scale: 10, init: kaiming}",
        "{loss: crd, queue: 64, negatives: 3, dimension: 16, temperature: 0.1, momentum: 0.9,"
            + " memory_dtype: bfloat16, z_momentum: 0.5}"
      })
  void namesAndValues_areThoseOfTheNativeOptions(String yaml) {
    Set<String> byOtherMeans = Set.of("pairs: []", "variance: none");
    String known =
        byOtherMeans.stream().reduce(yaml, (text, option) -> text.replace(", " + option, ""));
    try (NativeCriterionOptions options = NativeCriteria.of(read(known))) {
      String description = options.description();
      List<String> inRecipe = options(yaml.replaceFirst("^\\{loss: \\w+, ", "{"));
      List<String> inNative =
          new ArrayList<>(options(description.replaceFirst("^\\w+\\(", "{").replace("=", ": ")));
      // what follows from the data, or from other options
      inNative.removeIf(
          option -> option.matches("(samples|classes|relaxed|z|z_student|z_teacher|margins): .*"));
      assertThat(inNative).containsExactlyInAnyOrderElementsOf(inRecipe);
    }
  }

  private static List<String> options(String inBrackets) {
    return List.of(inBrackets.substring(1, inBrackets.length() - 1).split(", "));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{loss: ofd, margins: teacher, scale: 10}",
        "{loss: ofd, margins: teacher, norms: [layer1.0.bn2], scale: 10}"
      })
  void ofd_marginsOfTheTeacher_keepTheOptions(String yaml) {
    try (Network teacher = ResNet.cifar(8, 10)) {
      LossContext context = new LossContext(LABELS, BATCH, teacher, List.of("layer1.pre"));
      assertThat(((OfdLoss) recipe(yaml).loss(context)).scale()).isEqualTo(10);
    }
  }

  @Test
  void crd_allOptions_areTaken() {
    CrdLoss loss =
        (CrdLoss)
            read(
                "{loss: crd, contrast: relaxed, negatives: 3, dimension: 16, temperature: 0.1,"
                    + " momentum: 0.9, memory_dtype: bfloat16, z_student: 2, z_teacher: 3}");
    assertThat(loss.samples()).isEqualTo(5);
    assertThat(loss.classes()).containsExactlyElementsOf(LongStream.of(LABELS).boxed().toList());
    assertThat(loss.relaxed()).isTrue();
    assertThat(loss.negatives()).isEqualTo(3);
    assertThat(loss.dimension()).isEqualTo(16);
    assertThat(loss.temperature()).isEqualTo(0.1);
    assertThat(loss.momentum()).isEqualTo(0.9);
    assertThat(loss.memoryDtype()).isEqualTo(CrdLoss.MemoryDtype.BFLOAT16);
    assertThat(loss.z().source()).isEqualTo(CrdLoss.ZSource.FIXED);
    assertThat(loss.z().student()).isEqualTo(2);
    assertThat(loss.z().teacher()).isEqualTo(3);
  }

  @Test
  void crd_queueAndMovingAverage_areTaken() {
    CrdLoss loss = (CrdLoss) read("{loss: crd, queue: 64, z_momentum: 0.5}");
    assertThat(loss.queue()).isEqualTo(64);
    assertThat(loss.z().source()).isEqualTo(CrdLoss.ZSource.MOVING_AVERAGE);
    assertThat(loss.z().momentum()).isEqualTo(0.5);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{loss: crd, queue: 64, contrast: classes} | contrast must not be given with a queue (got"
            + " classes)",
        "{loss: crd, queue: 1} | queue must be at least 2 (got 1)",
        "{loss: crd, z_student: 2} | z_teacher must be given (got none)",
        "{loss: crd, z_student: 2, z_teacher: 2, z_momentum: 0.5} | z_momentum must not be given"
            + " with a fixed Z (got 0.5)",
        "{loss: fsp, pairs: [[0, 1, 2]]} | pairs must be lists of two places (got 3)",
        "{loss: nst, kernel: linear, degree: 3} | degree must be used with the kernel POLYNOMIAL"
            + " (got LINEAR)",
        "{loss: ofd, scale: 0} | scale must be positive and finite (got 0.0)"
      })
  void read_wrongOption_isRefusedWithItsLine(String yaml, String message) {
    assertThatThrownBy(() -> recipe(yaml)).hasMessage("a.yaml:1: " + message);
  }

  private static DistillationLoss read(String yaml) {
    return recipe(yaml).loss(new LossContext(LABELS, BATCH, null, List.of()));
  }

  private static LossRecipe recipe(String yaml) {
    Fields fields =
        new Fields(
            "a.yaml",
            "term",
            new Compose(LoadSettings.builder().build()).composeString(yaml).orElseThrow());
    LossRecipe recipe = LossRecipes.read(fields);
    fields.finish();
    return recipe;
  }
}
