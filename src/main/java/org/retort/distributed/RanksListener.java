package org.retort.distributed;

import org.retort.bindings.NativeRanksListener;
import org.retort.bindings.global.retort;
import org.retort.internal.Native;
import org.retort.internal.NativeHandle;

/**
 * The address and port of rank 0, bound before the ranks join: the others can be told where to
 * join, and no other process can take the port in between. Created by {@link Ranks#listen}.
 *
 * <pre>{@code
 * try (RanksListener listener = Ranks.listen(RanksOptions.of(0, 4, host).withPort(0))) {
 *   tellTheOthers(listener.address(), listener.port());
 *   Ranks ranks = listener.join();
 * }
 * }</pre>
 *
 * <p>Ranks that try to join before {@link #join} is called keep retrying. A listener is
 * thread-safe.
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
   * Returns the address that the other ranks set in their options.
   *
   * @return a numeric address of this machine
   */
  public String address() {
    return address;
  }

  /**
   * Returns the port that the other ranks set in their options.
   *
   * @return from 1 to 65,535
   */
  public int port() {
    return port;
  }

  /**
   * Joins as rank 0, and waits for all others. Can be called once: the port then belongs to the
   * ranks.
   *
   * @return new ranks, which the caller closes
   * @throws IllegalStateException if the listener was closed
   * @throws org.retort.RankException if not all ranks have joined within the timeout
   * @throws org.retort.RetortException if it was called before, or there is no such device
   */
  public Ranks join() {
    return handle.ask(open -> Ranks.make(open::join));
  }

  /** Releases the port, unless ranks have joined. Closing again has no effect. */
  @Override
  public void close() {
    handle.close();
  }
}
