package org.retort.internal;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;

/** The files of the jar with the classifier {@code cli}: the digits and the recipes. */
public final class ShippedFiles {
  /** A folder that is no package: on the module path, every module may read it. */
  private static final String FOLDER = "META-INF/retort/";

  private ShippedFiles() {}

  /**
   * Opens a file.
   *
   * @param name its path within the folder of these files
   * @return its content, to be closed
   * @throws IOException if the jar is not on the class path
   */
  public static InputStream open(String name) throws IOException {
    InputStream content = ShippedFiles.class.getClassLoader().getResourceAsStream(FOLDER + name);
    if (content == null) {
      throw new FileNotFoundException(
          "class path must have retort's jar with the classifier cli, which contains "
              + name
              + " (got none)");
    }
    return content;
  }
}
