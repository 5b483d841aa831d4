package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.testing.ChildJvm;
import picocli.CommandLine;

final class LaunchCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  @Test
  void launch_severalRanks_tellsThemWhoTheyAreAndShowsTheFirst() throws Exception {
    Path logs = Files.createDirectory(folder.resolve("logs"));
    try (ChildJvm child = launch("3", logs.toString(), "tell")) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output())
          .isEqualToNormalizingNewlines(
              told(0, 3) + "Picked up JAVA_TOOL_OPTIONS: -Dpicked=up\nerror of 0\n");
    }
    for (int rank = 1; rank < 3; rank++) {
      assertThat(Files.readString(logs.resolve("rank-" + rank + ".log")))
          .startsWith("[Gloo] Rank " + rank + " is connected")
          .endsWith(told(rank, 3) + "error of " + rank + "\n");
    }
    assertThat(logs).isDirectoryNotContaining("glob:**rank-0*");
  }

  private static String told(int rank, int size) {
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / size);
    return """
        LOCAL_RANK=%d
        WORLD_SIZE=%d
        LOCAL_WORLD_SIZE=%d
        MASTER_ADDR=127.0.0.1
        OMP_NUM_THREADS=%d
        JAVA_TOOL_OPTIONS=null
        asserts true
        told oneup
        launched by launch --test
        timeout 7
        """
        .formatted(rank, size, size, threads);
  }

  @Test
  void launch_oneRank_works() throws Exception {
    try (ChildJvm child = launch("1", "-", "tell")) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("WORLD_SIZE=1");
    }
    assertThat(temporary()).isEmpty();
  }

  @Test
  void launch_rankFails_endsTheOthersAndShowsWhy() throws Exception {
    try (ChildJvm child = launch("3", "-", "one-fails")) {
      assertThat(child.await()).as(child.output()).isEqualTo(7);
      assertNobodyIsLeft(3);
      Path log = temporary().get(0).resolve("rank-1.log");
      assertThat(child.output())
          .contains("launcher: rank 1 failed with exit code 7; its output is in " + log)
          .containsSubsequence("launcher:   line 20", "launcher:   line 29")
          .doesNotContain("line 19");
    }
  }

  @Test
  void launch_firstRankFails_namesIt() throws Exception {
    try (ChildJvm child = launch("2", "-", "first-fails")) {
      assertThat(child.await()).as(child.output()).isEqualTo(5);
      assertNobodyIsLeft(2);
      assertThat(child.output())
          .contains(
              "launcher: rank 0 failed with exit code 5; the output of the others is in "
                  + temporary().get(0));
    }
  }

  @ParameterizedTest
  @CsvSource({"one-makes-all-fail,1,9", "all-fail,.,3"})
  void launch_rankFailsBecauseOfAnother_blamesThat(String what, String rank, int exitCode)
      throws Exception {
    try (ChildJvm child = launch("2", "-", what)) {
      assertThat(child.await()).as(child.output()).isEqualTo(exitCode);
      assertThat(child.output())
          .containsPattern("launcher: rank " + rank + " failed with exit code " + exitCode);
    }
  }

  @ParameterizedTest
  @CsvSource({"INT,130", "TERM,143"})
  void launch_signalled_waitsForTheRanks(String signal, int status) throws Exception {
    try (ChildJvm child = launchAndAwait()) {
      child.signal(signal);
      assertThat(child.await()).as(child.output()).isEqualTo(status);
      assertNobodyIsLeft(2);
      assertThat(child.output()).doesNotContain("launcher: ");
    }
    assertThat(LaunchedProgram.kept(folder, 0)).exists();
    assertThat(LaunchedProgram.kept(folder, 1)).exists();
  }

  @Test
  void launch_killed_takesTheRanksAlong() throws Exception {
    try (ChildJvm child = launchAndAwait()) {
      child.signal("KILL");
      assertThat(child.await()).isEqualTo(137);
    }
    for (int rank = 0; rank < 2; rank++) {
      try (FileChannel lock = lock(rank)) {
        lock.lock(); // waits for the end
      }
      assertThat(LaunchedProgram.kept(folder, rank)).exists();
    }
  }

  @Test
  void launch_rankKilled_endsTheOthers() throws Exception {
    try (ChildJvm child = launchAndAwait()) {
      ProcessHandle launcher =
          ProcessHandle.current()
              .children()
              .filter(process -> process.children().count() == 2)
              .findFirst()
              .orElseThrow();
      launcher.children().findFirst().orElseThrow().destroyForcibly();
      assertThat(child.await()).as(child.output()).isEqualTo(137);
      assertNobodyIsLeft(2);
      assertThat(child.output()).containsPattern("launcher: rank . failed with exit code 137");
    }
  }

  private ChildJvm launchAndAwait() throws Exception {
    ChildJvm child = launch("2", "-", "wait");
    child.awaitFile(LaunchedProgram.ready(folder, 0));
    child.awaitFile(LaunchedProgram.ready(folder, 1));
    return child;
  }

  private ChildJvm launch(String... arguments) throws IOException {
    Files.createDirectories(folder.resolve("temporary"));
    return ChildJvm.start(
        folder,
        Map.of("JAVA_TOOL_OPTIONS", "-Dpicked=up"),
        List.of("-Dtold=one", "-Djava.io.tmpdir=" + folder.resolve("temporary")),
        LaunchedProgram.class,
        arguments);
  }

  private List<Path> temporary() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("temporary"))) {
      return files.filter(file -> file.getFileName().toString().startsWith("retort-")).toList();
    }
  }

  private FileChannel lock(int rank) throws IOException {
    return FileChannel.open(LaunchedProgram.lock(folder, rank), StandardOpenOption.WRITE);
  }

  private void assertNobodyIsLeft(int ranks) throws IOException {
    for (int rank = 0; rank < ranks; rank++) {
      if (Files.exists(LaunchedProgram.lock(folder, rank))) {
        try (FileChannel lock = lock(rank)) {
          assertThat(lock.tryLock()).as("rank %d", rank).isNotNull();
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "distill | launch: Missing required option: '--processes=<n>'",
        "--processes 2 | launch: Missing required parameter: '<command>'",
        "--processes 0 distill | launch: --processes must be between 1 and 1024 (got 0)",
        "--processes -1 distill | launch: --processes must be between 1 and 1024 (got -1)",
        "--processes 2 --port 65536 distill | launch: --port must be between 1 and 65535 (got"
            + " 65536)",
        "--processes 2 --timeout 0 distill | launch: --timeout must be between 1 and 86400 (got"
            + " 0)",
        "--processes 2 launch --processes 2 distill | launch: <command> must be distill or train"
            + " (got launch)",
        "--processes 2 recipes | launch: <command> must be distill or train (got recipes)",
        "--processes 2 distil | Unmatched argument at index 0: 'distil'",
        "--processes 2 distill --sedes | distill: Unknown option: '--sedes'"
      })
  void launch_wrongOption_isOneLineAndExitCode2(String arguments, String message) {
    assertThat(run(("launch " + arguments).split(" "))).isEqualTo(2);
    String name = message.startsWith("Unmatched") ? "retort: " : "retort ";
    assertThat(err.toString()).isEqualTo(name + message + System.lineSeparator());
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void launch_logsAreAFile_isOneLineAndExitCode2() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    assertThat(run("launch", "--processes=2", "--logs=" + file, "distill")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "retort launch: --logs must be a folder that exists or can be created (got %s)%n"
                .formatted(file));
  }

  @Test
  void launch_helpOfTheCommand_isShownOnce() {
    assertThat(run("launch", "--processes", "2", "distill", "--help")).isZero();
    assertThat(out.toString()).containsOnlyOnce("Usage: retort distill");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 1000})
  void filter_anyPieces_leavesOutLinesOfGloo(int piece) throws IOException {
    String gloo = "[Gloo] Rank 0 is connected to 1 peer ranks. Expected number is : 1\n";
    String printed = gloo + "one\n\n[Gloo] Ranking\n" + gloo + gloo + " [Gloo] Rank \ntwo\n[Gloo]";
    byte[] bytes = printed.getBytes();
    ByteArrayOutputStream filtered = new ByteArrayOutputStream();
    try (GlooFilter filter = new GlooFilter(filtered)) {
      for (int i : IntStream.iterate(0, i -> i < bytes.length, i -> i + piece).toArray()) {
        filter.write(bytes, i, Math.min(piece, bytes.length - i));
      }
    }
    assertThat(filtered.toString()).isEqualTo("one\n\n[Gloo] Ranking\n [Gloo] Rank \ntwo\n[Gloo]");
  }

  private int run(String... arguments) {
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments);
  }
}
