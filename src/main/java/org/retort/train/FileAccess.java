package org.retort.train;

/** How a file of stored outputs is read; see {@link StoredOutputs}. */
public enum FileAccess {
  /** Row by row from the file; frequently read rows stay in the system's cache. */
  READ,
  /**
   * From a memory mapping of the file, which saves a copy. If the file is truncated or its disk
   * fails during a read, the system kills the process (SIGBUS): use it only for local files that
   * nobody changes.
   */
  MAPPED,
  /** From memory, into which the whole file is read at once. The file may be deleted afterwards. */
  MEMORY
}
