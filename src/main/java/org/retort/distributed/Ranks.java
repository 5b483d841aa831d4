package org.retort.distributed;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.retort.bindings.NativeRanks;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeHandle;
import org.retort.internal.RanksSharing;
import org.retort.internal.StringLists;

/**
 * The processes that train one student together; each process is a rank. A {@link
 * org.retort.train.TrainingStep} that is given ranks divides each batch among them, and a {@link
 * org.retort.train.Trainer} trains with them.
 *
 * <p>Every rank must make the same calls in the same order: those of this class, and those of steps
 * that are documented to require it. A call waits for the other ranks. If one of them is gone or
 * does not respond within the timeout, this and all later calls on the others throw a {@link
 * org.retort.RankException}.
 *
 * <p>Ranks communicate over TCP, without encryption or authentication: use trusted networks only. A
 * single rank does not communicate, and its calls return at once.
 *
 * <p>Ranks are thread-safe, but calls from several threads must have the same order on all ranks. A
 * training step shares the ranks: it stays usable after they are closed.
 */
public final class Ranks implements AutoCloseable {
  static {
    RanksSharing.setSharer((ranks, user) -> ((Ranks) ranks).share(user));
  }

  private static final String NAME = "Ranks";

  private final int rank;
  private final int size;
  private final @Nullable NativeHandle<NativeRanks> handle; // null if there is one rank
  private volatile boolean closed;

  private Ranks(@Nullable NativeRanks ranks) {
    rank = ranks == null ? 0 : Math.toIntExact(ranks.rank());
    size = ranks == null ? 1 : Math.toIntExact(ranks.size());
    handle = ranks == null ? null : new NativeHandle<>(NAME, ranks);
  }

  /**
   * Joins the other ranks as specified by environment variables, with default options for the rest:
   * short for {@link #fromEnvironment(RanksOptions) fromEnvironment(RanksOptions.of())}.
   *
   * @return new ranks, which the caller closes
   * @throws org.retort.RankException as below
   * @throws org.retort.RetortException as below
   */
  public static Ranks fromEnvironment() {
    return fromEnvironment(RanksOptions.of());
  }

  /**
   * Joins the other ranks as specified by the environment variables {@code RANK}, {@code
   * WORLD_SIZE}, {@code MASTER_ADDR} and {@code MASTER_PORT}, which torchrun and {@code retort
   * launch} set. If {@code RANK} is not set, there is one rank. {@code
   * TORCHELASTIC_USE_AGENT_STORE} and {@code TORCHELASTIC_RESTART_COUNT} are honoured as in
   * PyTorch.
   *
   * @param options the remaining options; their rank, size, address and port are ignored
   * @return new ranks, which the caller closes
   * @throws IllegalArgumentException if the options are null
   * @throws org.retort.RankException as {@link #join}
   * @throws org.retort.RetortException if a variable is missing, not a number or out of range, or
   *     there is no such device
   */
  public static Ranks fromEnvironment(RanksOptions options) {
    Arguments.notNull(options, NAME + ".fromEnvironment", "options");
    return make(
        () ->
            retort.ranks_from_environment(
                options.ownAddress().orElse(""),
                options.job(),
                options.device(),
                options.timeout().toMillis()));
  }

  /**
   * Joins the other ranks, and waits for all of them. With a size of 1 there are no others to join.
   *
   * @param options where to join, and as which rank
   * @return new ranks, which the caller closes
   * @throws IllegalArgumentException if the options are null
   * @throws org.retort.RankException if not all ranks have joined within the timeout, or rank 0
   *     can't be reached
   * @throws org.retort.RetortException if there is no such device
   */
  public static Ranks join(RanksOptions options) {
    Arguments.notNull(options, NAME + ".join", "options");
    if (options.size() == 1) {
      return new Ranks(null);
    }
    return make(
        () ->
            retort.join_ranks(
                options.rank(),
                options.size(),
                options.address(),
                options.port(),
                options.ownAddress().orElse(""),
                options.job(),
                options.device(),
                options.timeout().toMillis()));
  }

  /**
   * Binds the address and port of rank 0 before the ranks join, for launchers that choose the port
   * at run time.
   *
   * @param options the options with which rank 0 joins; port 0 lets the system choose one
   * @return a new listener, which the caller closes
   * @throws IllegalArgumentException if the options are null, or not those of rank 0
   * @throws org.retort.RankException if the address does not belong to this machine, or the port is
   *     in use
   * @throws org.retort.RetortException if the address is a wildcard address
   */
  public static RanksListener listen(RanksOptions options) {
    String function = NAME + ".listen";
    Arguments.notNull(options, function, "options");
    Arguments.check(options.rank() == 0, "%s: rank must be 0 (got %s)", function, options.rank());
    Arguments.check(!options.address().isBlank(), "%s: address must be given (got none)", function);
    return new RanksListener(options);
  }

  static Ranks make(Supplier<@Nullable NativeRanks> join) {
    return Native.call(() -> new Ranks(join.get()));
  }

  /**
   * Returns the number of this rank.
   *
   * @return at least 0 and below the {@link #size}, even after the ranks are closed
   */
  public int rank() {
    return rank;
  }

  /**
   * Returns the number of ranks.
   *
   * @return at least 1, even after the ranks are closed
   */
  public int size() {
    return size;
  }

  /**
   * Returns whether this is rank 0, which writes files and logs for all.
   *
   * @return true if there is one rank
   */
  public boolean isFirst() {
    return rank == 0;
  }

  /**
   * Returns whether a condition holds on any rank. Waits for all ranks.
   *
   * @param mine whether it holds on this rank
   * @return the same on all ranks
   * @throws IllegalStateException if the ranks were closed
   * @throws org.retort.RankException if a rank is gone or has failed
   */
  public boolean any(boolean mine) {
    return ask(ranks -> ranks.any(mine), mine);
  }

  /**
   * Returns the text that rank 0 passes. Waits for rank 0.
   *
   * @param text of this rank; only that of rank 0 is used
   * @return the same on all ranks
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the ranks were closed
   * @throws org.retort.RankException if a rank is gone or has failed
   */
  public String ofFirst(String text) {
    byte[] bytes =
        Arguments.notNull(text, NAME + ".ofFirst", "text").getBytes(StandardCharsets.UTF_8);
    return ask(ranks -> StringLists.text(retort.text_of_first(ranks, bytes, bytes.length)), text);
  }

  /**
   * Returns the bytes that rank 0 passes, for example a state dict. Waits for rank 0.
   *
   * @param bytes of this rank; only those of rank 0 are used
   * @return a new array, the same on all ranks
   * @throws IllegalArgumentException if they are null
   * @throws IllegalStateException if the ranks were closed
   * @throws org.retort.RankException if a rank is gone or has failed
   */
  public byte[] bytesOfFirst(byte[] bytes) {
    byte[] own = Arguments.notNull(bytes, NAME + ".bytesOfFirst", "bytes").clone();
    return ask(ranks -> StringLists.bytes(retort.text_of_first(ranks, own, own.length)), own);
  }

  /**
   * Tells the other ranks that this one can't continue: the call of this class that they are
   * waiting in, or their next one, throws a {@link org.retort.RankException} with the reason. Does
   * not wait for them. The next call on all ranks works as usual. A {@link
   * org.retort.train.Trainer} that fails does this itself.
   *
   * @param reason for the message, in one line
   * @throws IllegalArgumentException if it is null
   * @throws IllegalStateException if the ranks were closed
   */
  public void fail(String reason) {
    Arguments.notNull(reason, NAME + ".fail", "reason");
    ask(
        ranks -> {
          ranks.fail(reason);
          return null;
        },
        null);
  }

  private <T> T ask(Function<NativeRanks, T> question, T ofOneRank) {
    if (handle != null) {
      return handle.ask(question);
    }
    requireOpen();
    return ofOneRank;
  }

  private void share(Consumer<NativeRanks> user) {
    if (handle == null) {
      requireOpen();
    } else {
      handle.use(user);
    }
  }

  /** Throws if closed, as the handle does, which a single rank does not have. */
  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException(NAME + ": object must be open (got a closed one)");
    }
  }

  /**
   * Leaves once running calls have ended, unless a training step still uses the ranks: calls on
   * other ranks that wait for this one throw a {@link org.retort.RankException}. Closing again has
   * no effect.
   */
  @Override
  public void close() {
    closed = true;
    if (handle != null) {
      handle.close();
    }
  }
}
