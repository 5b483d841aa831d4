package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.FileException;
import org.retort.RetortException;
import org.retort.models.Network;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.ChildJvm;
import org.retort.testing.Program;

/** Names that are not ASCII, of files and of what is in them, whatever charset Java was given. */
final class FileNamesTest {
  private static final List<String> NAMES =
      List.of(
          "größe", "模型 \uD83C\uDF77", "a b", " ", "%41#?&;", "a%2Fb", "back\\slash", "new\nline");
  private static final String TAP = "größe";
  private static final String PARAMETER = "gewicht_λ";

  @AutoClose private final PointerScope scope = new PointerScope();
  @TempDir private Path folder;
  private Path files;
  private Path program;

  @BeforeEach
  void makeProgram() throws IOException {
    files = Files.createDirectory(folder.resolve("files"));
    program =
        Program.linear(5)
            .parameter(PARAMETER, torch.ones(1))
            .save(
                folder.resolve("program.ts"),
                "return torch.linear(x.flatten(1), self.weight), {'" + TAP + "': x}");
  }

  /** Writes and reads files of every kind and name. */
  public static final class EveryName {
    private EveryName() {}

    public static void main(String[] arguments) throws IOException {
      for (String name : NAMES) {
        writeAndRead(Files.createDirectory(Path.of(arguments[0], name)), name);
      }
      checkStrings(Path.of(arguments[1]));
    }
  }

  private static void writeAndRead(Path folder, String name) throws IOException {
    Path state = folder.resolve(name);
    Path network = folder.resolve(name + ".ts");
    Path checkpoint = folder.resolve(name + ".step");
    Path cache = folder.resolve(name + ".cache");
    try (SmallStep small = new SmallStep();
        TrainingStep cached =
            SmallStep.builder(small.student, Teacher.of(small.teacher).withCache(8, cache))
                .build()) {
      assertThat(files(folder)).containsExactly(cache);
      small.student.saveStateDict(state);
      small.student.saveTorchScript(network);
      small.step.save(checkpoint, name);
      assertThat(files(folder)).containsExactlyInAnyOrder(state, network, checkpoint, cache);
      small.teacher.loadStateDict(state);
      TorchScriptNetwork.load(network).close();
      assertThat(cached.load(checkpoint)).isEqualTo(name);
      assertThatThrownBy(() -> small.student.loadStateDict(folder.resolve(name + "?")))
          .isInstanceOf(FileException.class)
          .hasMessageEndingWith("/" + name.replace("\n", "\\n") + "?)")
          .message()
          .hasLineCount(1);
    }
  }

  /** Names within a network come and go as they are. */
  private static void checkStrings(Path program) {
    try (Network network = TorchScriptNetwork.load(program);
        Network named = TorchScriptNetwork.load(program, TAP)) {
      named.probe(3, 2, 2);
      network.probe(3, 2, 2);
      assertThat(network.taps()).containsExactly(TAP);
      assertThat(named.tapShape(TAP)).containsExactly(3, 2, 2);
      assertThat(network.stateDict()).containsOnlyKeys("weight", PARAMETER);
      assertThatThrownBy(() -> network.tapShape("ä\uD83C\uDF77"))
          .isInstanceOf(RetortException.class)
          .hasMessage("Network: tap must be one of " + TAP + " (got ä\uD83C\uDF77)");
      TrainingStepBuilder builder =
          TrainingStep.builder(network).inputShape(3, 2, 2).trainOnly("ä\uD83C\uDF77");
      assertThatThrownBy(builder::build)
          .isInstanceOf(RetortException.class)
          .hasMessageContaining("(got ä\uD83C\uDF77)");
    }
  }

  /** Reads and replaces files that it finds and can't spell. */
  public static final class FoundNames {
    private FoundNames() {}

    public static void main(String[] arguments) throws IOException {
      try (SmallStep small = new SmallStep()) {
        for (Path file : files(Path.of(arguments[0]))) {
          if (file.toString().endsWith(".step")) {
            small.step.load(file);
            small.step.save(file, "found");
          } else if (file.toString().endsWith(".ts")) {
            TorchScriptNetwork.load(file).close();
            small.student.saveTorchScript(file);
          } else if (file.toString().endsWith(".cache")) {
            SmallStep.builder(small.student, Teacher.of(small.teacher).withCache(8, file))
                .build()
                .close();
          } else {
            small.student.loadStateDict(file);
            small.student.saveStateDict(file);
          }
        }
      }
      checkStrings(Path.of(arguments[1]));
    }
  }

  @Test
  void name_whateverTheCharset_isThatOfTheFile() throws Exception {
    run("C.UTF-8", List.of("-Dfile.encoding=ISO-8859-1"), EveryName.class);
    assertThat(files(files)).hasSize(4 * NAMES.size());
    copyToALatin1Name(files.resolve("a b").resolve("a b.step"));
    Set<Path> written = files(files);
    assertThat(written).hasSize(4 * NAMES.size() + 1);

    run("C", List.of(), FoundNames.class);
    assertThat(files(files)).isEqualTo(written);
    try (SmallStep small = new SmallStep()) {
      for (Path file : written) {
        if (file.toString().endsWith(".step")) {
          assertThat(small.step.load(file)).isEqualTo("found");
        }
      }
    }
  }

  /** Makes a file that no Java in a locale of UTF-8 can spell. */
  private static void copyToALatin1Name(Path file) throws IOException, InterruptedException {
    Process copy =
        new ProcessBuilder(
                "sh", "-c", "cp \"$0\" \"$(printf 'gr\\366\\337e').step\"", file.toString())
            .directory(file.getParent().toFile())
            .inheritIO()
            .start();
    assertThat(copy.waitFor()).isZero();
  }

  /** Returns the files in a folder and in those within. */
  private static Set<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).collect(Collectors.toSet());
    }
  }

  private void run(String locale, List<String> options, Class<?> main) throws Exception {
    try (ChildJvm child =
        ChildJvm.start(
            folder,
            Map.of("LC_ALL", locale),
            options,
            main,
            files.toString(),
            program.toString())) {
      assertThat(child.await()).as(child.output()).isZero();
    }
  }
}
