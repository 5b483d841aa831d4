package org.retort.distributed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.retort.testing.Failures.assertFails;
import static org.retort.testing.Failures.assertIllegal;
import static org.retort.testing.Failures.assertUnusable;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.RankException;
import org.retort.RetortException;
import org.retort.testing.ChildJvm;
import org.retort.testing.RankThreads;

@Timeout(600)
final class RanksTest {
  private static final String CLOSED = "Ranks: object must be open (got a closed one)";

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void any_onOneRank_isTrueOnAll(int size) throws Exception {
    List<List<Boolean>> answers =
        RankThreads.run(
            size,
            ranks -> {
              assertThat(ranks.size()).isEqualTo(size);
              assertThat(ranks.isFirst()).isEqualTo(ranks.rank() == 0);
              return IntStream.rangeClosed(0, size)
                  .mapToObj(who -> ranks.any(who == ranks.rank()))
                  .toList();
            });
    List<Boolean> expected = new ArrayList<>(IntStream.range(0, size).mapToObj(i -> true).toList());
    expected.add(false); // nobody
    assertThat(answers).hasSize(size).allMatch(expected::equals);
  }

  @Test
  void ofFirst_anyText_isThatOfRank0() throws Exception {
    List<String> texts =
        List.of("one", "", "two\nlines and a zero \0 in it", "ü€𝄞", "x".repeat(99_999));
    List<List<String>> received =
        RankThreads.run(
            2,
            ranks ->
                texts.stream()
                    .map(text -> ranks.ofFirst(ranks.isFirst() ? text : "of rank 1"))
                    .toList());
    assertThat(received).containsExactly(texts, texts);
  }

  @Test
  void bytesOfFirst_anyBytes_areThoseOfRank0() throws Exception {
    byte[] bytes = new byte[70_000];
    new Random(1).nextBytes(bytes);
    for (byte[] sent : List.of(bytes, new byte[] {0, -1, 0}, new byte[0])) {
      List<byte[]> received =
          RankThreads.run(2, ranks -> ranks.bytesOfFirst(ranks.isFirst() ? sent : new byte[1]));
      assertThat(received).containsExactly(sent, sent);
    }
  }

  @Test
  void fail_onOneRank_throwsOnTheOthersOnce() throws Exception {
    List<String> results =
        RankThreads.run(
            3,
            ranks -> {
              ranks.any(false);
              if (ranks.rank() == 1) {
                ranks.fail("no data");
              } else {
                assertFails(
                    () -> ranks.any(false),
                    RankException.class,
                    "Ranks: rank 1 has failed: no data");
              }
              return ranks.ofFirst("goes on");
            });
    assertThat(results).containsExactly("goes on", "goes on", "goes on");
  }

  @Test
  void close_onOneRank_throwsOnTheOther() throws Exception {
    CountDownLatch isClosed = new CountDownLatch(1);
    RankThreads.run(
        2,
        ranks -> {
          if (ranks.rank() == 1) {
            ranks.close();
            isClosed.countDown();
          } else {
            isClosed.await();
            for (int i = 0; i < 2; i++) {
              assertFails(() -> ranks.any(true), RankException.class, "Ranks: rank 1 has left");
            }
          }
          return 0;
        });
  }

  @Test
  void listen_anyFreePort_isWhereRanksJoin() throws Exception {
    RanksOptions options = RanksOptions.of(0, 2, RankThreads.ADDRESS).withPort(0);
    try (RanksListener listener = Ranks.listen(options)) {
      assertThat(listener.address()).isEqualTo(RankThreads.ADDRESS);
      assertThat(listener.port()).isPositive();
      CompletableFuture<Boolean> other =
          CompletableFuture.supplyAsync(
              () -> {
                try (Ranks ranks = Ranks.join(options.withRank(1).withPort(listener.port()))) {
                  return ranks.any(false);
                }
              });
      try (Ranks ranks = listener.join()) {
        assertThat(ranks.isFirst()).isTrue();
        assertThat(ranks.any(true)).isTrue();
        assertThat(other.join()).isTrue();
      }
      assertFails(
          listener::join,
          RetortException.class,
          "RanksListener.join: listener must not have joined before (got one that has)");
    }
    assertIllegal(() -> Ranks.listen(options.withRank(1)), "Ranks.listen: rank must be 0 (got 1)");
    assertIllegal(
        () -> Ranks.listen(RanksOptions.of()), "Ranks.listen: address must be given (got none)");
    RanksListener closed = Ranks.listen(options);
    closed.close();
    closed.close();
    assertUnusable(closed::join, "RanksListener: object must be open (got a closed one)");
  }

  @Test
  void closed_ranks_refuseEverything() throws Exception {
    RankThreads.run(
        2,
        ranks -> {
          ranks.any(false);
          ranks.close();
          assertClosed(ranks);
          assertThat(ranks.size()).isEqualTo(2);
          return 0;
        });
    Ranks alone = Ranks.join(RanksOptions.of());
    alone.close();
    assertClosed(alone);
  }

  private static void assertClosed(Ranks ranks) {
    assertThatCode(ranks::close).doesNotThrowAnyException();
    assertUnusable(() -> ranks.any(true), CLOSED);
    assertUnusable(() -> ranks.ofFirst("text"), CLOSED);
    assertUnusable(() -> ranks.fail("reason"), CLOSED);
  }

  @Test
  void join_oneRank_talksToNobody() {
    try (Ranks ranks = Ranks.join(RanksOptions.of().withAddress("nowhere.invalid"))) {
      assertAlone(ranks);
    }
  }

  @Test
  void fromEnvironment_noRank_isOneRank() {
    assertThat(System.getenv("RANK")).isNull();
    try (Ranks ranks = Ranks.fromEnvironment()) {
      assertAlone(ranks);
    }
  }

  private static void assertAlone(Ranks ranks) {
    assertThat(ranks.rank()).isZero();
    assertThat(ranks.size()).isEqualTo(1);
    assertThat(ranks.isFirst()).isTrue();
    assertThat(ranks.any(true)).isTrue();
    assertThat(ranks.any(false)).isFalse();
    ranks.fail("reason");
    assertThat(ranks.ofFirst("text")).isEqualTo("text");
    assertThat(ranks.bytesOfFirst(new byte[] {7})).containsExactly(7);
  }

  @Test
  void join_rankThatDoesNotCome_fails() throws IOException {
    RanksOptions options = RankThreads.options(2).get(0).withTimeout(Duration.ofMillis(300));
    assertThatThrownBy(() -> Ranks.join(options))
        .isInstanceOf(RankException.class)
        .hasMessageStartingWith("Ranks: ")
        .hasMessageNotContaining("\n");
  }

  @Test
  void options_outOfRange_areRejected() {
    RanksOptions options = RanksOptions.of(1, 2, "host");
    assertIllegal(
        () -> options.withRank(-1), "RanksOptions: rank must be between 0 and 1 (got -1)");
    assertIllegal(() -> options.withRank(2), "RanksOptions: rank must be between 0 and 1 (got 2)");
    assertIllegal(() -> options.withSize(0), "RanksOptions: size must be at least 1 (got 0)");
    assertIllegal(
        () -> options.withAddress(" "),
        "RanksOptions: address must be given for several ranks (got none)");
    for (int port : new int[] {-1, 65_536}) {
      assertIllegal(
          () -> options.withPort(port),
          "RanksOptions: port must be between 0 and 65535 (got " + port + ")");
    }
    assertIllegal(
        () -> options.withOwnAddress(""),
        "RanksOptions: own address must not be blank (got a blank one)");
    for (Duration timeout :
        List.of(Duration.ZERO, Duration.ofNanos(999_999), Duration.ofDays(1).plusNanos(1))) {
      assertIllegal(
          () -> options.withTimeout(timeout),
          "RanksOptions: timeout must be between PT0.001S and PT24H (got " + timeout + ")");
    }
    for (Duration timeout : List.of(Duration.ofMillis(1), Duration.ofDays(1))) {
      assertThat(options.withTimeout(timeout).timeout()).isEqualTo(timeout);
    }
    assertIllegal(() -> Ranks.join(null), "Ranks.join: options must be given (got null)");
    assertIllegal(
        () -> Ranks.fromEnvironment(null),
        "Ranks.fromEnvironment: options must be given (got null)");
    try (Ranks alone = Ranks.join(RanksOptions.of())) {
      assertIllegal(() -> alone.ofFirst(null), "Ranks.ofFirst: text must be given (got null)");
      assertIllegal(() -> alone.fail(null), "Ranks.fail: reason must be given (got null)");
    }
  }

  @Test
  void fromEnvironment_processes_exchange() throws Exception {
    Path marker = folder.resolve("never");
    try (ChildJvm first = start(0, marker);
        ChildJvm second = start(1, marker)) {
      for (ChildJvm child : List.of(first, second)) {
        assertThat(child.await()).as(child.output()).isZero();
        assertThat(child.output()).contains("of 2: true, from 0").doesNotContain("RankException");
        assertThat(child.jniComplaints()).isEmpty();
      }
    }
  }

  private int port;

  private ChildJvm start(int rank, Path marker) throws IOException {
    if (port == 0) {
      port = RankThreads.freePort();
    }
    return ChildJvm.start(
        Files.createDirectory(folder.resolve("rank" + rank)),
        RankThreads.environment(rank, 2, port),
        List.of(),
        Exchanging.class,
        marker.toString());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void any_processIsKilled_throwsOnTheOtherWhichLives(int killed) throws Exception {
    Path marker = Files.createFile(folder.resolve("marker" + killed));
    try (ChildJvm first = start(0, marker);
        ChildJvm second = start(1, marker)) {
      List<ChildJvm> children = List.of(first, second);
      children.get(killed).awaitFile(Path.of(marker + ".waiting" + killed));
      children.get(killed).signal("KILL");
      ChildJvm survivor = children.get(1 - killed);
      assertThat(survivor.await()).as(survivor.output()).isZero();
      assertThat(survivor.output()).contains("RankException: Ranks: ").contains("still alive");
      assertThat(survivor.jniComplaints()).isEmpty();
    }
  }

  /** Exchanges something with the other; waits to be killed if told to. */
  static final class Exchanging {
    private Exchanging() {}

    /** Takes a file that is there, and named after the rank that is to be killed, or is not. */
    public static void main(String[] arguments) throws Exception {
      Path marker = Path.of(arguments[0]);
      try (Ranks ranks = Ranks.fromEnvironment()) {
        boolean any = ranks.any(ranks.rank() == 1);
        String text = ranks.ofFirst("from " + ranks.rank());
        System.out.println("of " + ranks.size() + ": " + any + ", " + text);
        if (!Files.exists(marker)) {
          return;
        }
        if (marker.toString().endsWith("marker" + ranks.rank())) {
          Files.createFile(Path.of(marker + ".waiting" + ranks.rank()));
          Thread.sleep(Long.MAX_VALUE);
        }
        try {
          ranks.any(false);
        } catch (RankException error) {
          System.out.println(error + ", still alive");
        }
      }
    }
  }
}
