package org.retort.distributed;

import static org.retort.internal.Arguments.check;

import java.time.Duration;
import java.util.Optional;
import org.retort.internal.Arguments;

/**
 * Options for joining the other ranks.
 *
 * @param rank the number of this process, from 0
 * @param size number of processes
 * @param address name or address of the machine on which rank 0 runs and accepts connections; may
 *     be empty if there is one process
 * @param port TCP port of rank 0; 0 lets the system choose one, with {@link Ranks#listen} only
 * @param ownAddress address at which other ranks reach this machine; if empty, that of its
 *     connection to rank 0
 * @param job distinguishes several groups of ranks with the same address and port, such as the
 *     attempts of a restarted job
 * @param device where gradients are: {@code cpu}, exchanged by Gloo, or {@code cuda}, exchanged by
 *     NCCL; whether the device exists is checked when ranks join
 * @param timeout how long a rank waits for another, when joining and in each exchange
 */
public record RanksOptions(
    int rank,
    int size,
    String address,
    int port,
    Optional<String> ownAddress,
    String job,
    String device,
    Duration timeout) {
  private static final String NAME = "RanksOptions";
  private static final int DEFAULT_PORT = 29500;
  private static final int LARGEST_PORT = 65_535;
  private static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(10);
  private static final Duration SHORTEST_TIMEOUT = Duration.ofMillis(1);
  private static final Duration LONGEST_TIMEOUT = Duration.ofDays(1);

  /**
   * Creates options.
   *
   * @param rank at least 0 and below the size
   * @param size at least 1
   * @param address a name or an address; may be empty if the size is 1
   * @param port from 0 to 65,535
   * @param ownAddress a name or an address; empty for the default
   * @param job any text
   * @param device the name of a device
   * @param timeout from 1 ms to 1 day
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public RanksOptions {
    Arguments.atLeast(size, 1, NAME, "size");
    Arguments.between(rank, 0, size - 1L, NAME, "rank");
    Arguments.notNull(address, NAME, "address");
    check(
        size == 1 || !address.isBlank(),
        "%s: address must be given for several ranks (got none)",
        NAME);
    Arguments.between(port, 0, LARGEST_PORT, NAME, "port");
    Arguments.notNull(ownAddress, NAME, "own address");
    check(
        ownAddress.isEmpty() || !ownAddress.get().isBlank(),
        "%s: own address must not be blank (got a blank one)",
        NAME);
    Arguments.notNull(job, NAME, "job");
    Arguments.notNull(device, NAME, "device");
    Arguments.notNull(timeout, NAME, "timeout");
    check(
        timeout.compareTo(SHORTEST_TIMEOUT) >= 0 && timeout.compareTo(LONGEST_TIMEOUT) <= 0,
        "%s: timeout must be between %s and %s (got %s)",
        NAME,
        SHORTEST_TIMEOUT,
        LONGEST_TIMEOUT,
        timeout);
  }

  /**
   * Creates options for one process, or for those described by environment variables; see {@link
   * Ranks#fromEnvironment(RanksOptions)}.
   *
   * @return options with port 29500, device {@code cpu} and a timeout of 10 minutes
   */
  public static RanksOptions of() {
    return of(0, 1, "");
  }

  /**
   * Creates options for one of several processes.
   *
   * @param rank its number, at least 0 and below the size
   * @param size number of processes, at least 1
   * @param address name or address of the machine on which rank 0 runs
   * @return options with port 29500, device {@code cpu} and a timeout of 10 minutes
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public static RanksOptions of(int rank, int size, String address) {
    return new RanksOptions(
        rank, size, address, DEFAULT_PORT, Optional.empty(), "", "cpu", DEFAULT_TIMEOUT);
  }

  /**
   * Changes the number of this process.
   *
   * @param rank at least 0 and below the size
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public RanksOptions withRank(int rank) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes the number of processes.
   *
   * @param size at least 1, and above the rank
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public RanksOptions withSize(int size) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes the address of rank 0.
   *
   * @param address a name or an address; may be empty if the size is 1
   * @return a changed copy
   * @throws IllegalArgumentException if it is null or missing
   */
  public RanksOptions withAddress(String address) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes the port of rank 0; 29500 by default. With 0, the system chooses one; see {@link
   * Ranks#listen}.
   *
   * @param port from 0 to 65,535
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public RanksOptions withPort(int port) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes the address at which other ranks reach this one; by default that of its connection to
   * rank 0.
   *
   * @param ownAddress a name or an address of this machine
   * @return a changed copy
   * @throws IllegalArgumentException if it is null or blank
   */
  public RanksOptions withOwnAddress(String ownAddress) {
    Optional<String> own = Optional.of(Arguments.notNull(ownAddress, NAME, "own address"));
    return new RanksOptions(rank, size, address, port, own, job, device, timeout);
  }

  /**
   * Changes the text that distinguishes these ranks from others with the same address and port;
   * empty by default.
   *
   * @param job any text, the same on all ranks
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public RanksOptions withJob(String job) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes where gradients are; {@code cpu} by default.
   *
   * @param device {@code cpu} or {@code cuda}
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public RanksOptions withDevice(String device) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }

  /**
   * Changes how long a rank waits for another; 10 minutes by default. Anything that one rank does
   * while others wait for it, such as an evaluation, must take less time.
   *
   * @param timeout from 1 ms to 1 day
   * @return a changed copy
   * @throws IllegalArgumentException if it is null or out of range
   */
  public RanksOptions withTimeout(Duration timeout) {
    return new RanksOptions(rank, size, address, port, ownAddress, job, device, timeout);
  }
}
