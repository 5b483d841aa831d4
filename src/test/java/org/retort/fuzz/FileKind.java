package org.retort.fuzz;

/** The files that Retort reads, but for TorchScript's, which are programs. */
enum FileKind {
  STATE_DICT("stateDict_anyFile_isReadOrRefusedByName"),
  CHECKPOINT("checkpoint_anyFile_isReadOrRefusedByName"),
  STORED_OUTPUTS("storedOutputs_anyFile_isReadOrRefusedByName"),
  TEACHER_CACHE("teacherCache_anyFile_isReadOrRefusedByName");

  private final String target;

  FileKind(String target) {
    this.target = target;
  }

  /** Returns the method of {@link FileFuzzTest} that reads it, after which its seeds are named. */
  String target() {
    return target;
  }
}
