package org.retort.data;

/** What {@link ImageFolder} does with files that are no whole images, which it looks for. */
public enum BrokenFiles {
  /** They are an error, which names the first of them and tells how many there are. */
  REFUSE,

  /** They are left out; {@link ImageFolder#brokenFiles} lists them. */
  SKIP
}
