package org.retort.data;

/** How {@link ImageFolder} handles files that are not complete images, which it looks for. */
public enum BrokenFiles {
  /** Fail with an error that names the first broken file and gives their number. */
  REFUSE,

  /** Leave them out; {@link ImageFolder#brokenFiles} lists them. */
  SKIP
}
