package org.retort.distributed;

import org.retort.bindings.NativeRanksListener;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;
import org.retort.internal.NativeHandle;

/**
 * The address and port of rank 0, taken before the ranks join: the others can be told where to
 * join, and no other process can take the port in between. {@link Ranks#listen} makes one.
 *
 * <pre>{@code
 * try (RanksListener listener = Ranks.listen(RanksOptions.of(0, 4, host).withPort(0))) {
 *   tellTheOthers(listener.address(), listener.port());
 *   Ranks ranks = listener.join();
 * }
 * }</pre>
 *
 * <p>Ranks that come before {@link #join} try again until then. A listener is thread-safe.
 */
public final class RanksListener implements AutoCloseable {
  private final NativeHandle<NativeRanksListener> handle;
  private final String address;
  private final int port;

  RanksListener(RanksOptions options) {
    NativeRanksListener listener =
        Native.call(
            () ->
                retort.listen_for_ranks(
                    options.rank(),
                    options.size(),
                    options.address(),
                    options.port(),
                    options.ownAddress().orElse(""),
                    options.job(),
                    options.device(),
                    options.timeout().toMillis()));
    handle = new NativeHandle<>("RanksListener", listener);
    address = handle.ask(NativeRanksListener::addressOfFirst);
    port = handle.ask(open -> Math.toIntExact(open.port()));
  }

  /**
   * The address that the other ranks give in their options.
   *
   * @return a numeric address of this machine
   */
  public String address() {
    return address;
  }

  /**
   * The port that the other ranks give in their options.
   *
   * @return from 1 to 65,535
   */
  public int port() {
    return port;
  }

  /**
   * Joins as rank 0, and waits for all others. Works once: the port belongs to the ranks from then
   * on.
   *
   * @return new ranks, which the caller closes
   * @throws IllegalStateException if the listener was closed
   * @throws org.retort.RankException if not all ranks have joined within the timeout
   * @throws org.retort.RetortException if it was called before, or there is no such device
   */
  public Ranks join() {
    return handle.ask(open -> Ranks.make(open::join));
  }

  /** Gives the port back, unless ranks have joined. Closing it again has no effect. */
  @Override
  public void close() {
    handle.close();
  }
}
