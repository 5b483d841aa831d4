package org.retort.train;

/** How a file of stored outputs is read; see {@link StoredOutputs}. */
public enum FileAccess {
  /** Row by row from the file; what is read often stays in the system's cache. */
  READ,
  /**
   * From a mapping of the file into memory. Saves a copy. If somebody truncates the file or its
   * disk fails during a read, the system ends the process (SIGBUS): for local files that nobody
   * changes.
   */
  MAPPED,
  /** From memory, into which the whole file is read at once. The file may go afterwards. */
  MEMORY
}
