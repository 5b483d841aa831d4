package org.retort.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import org.retort.FileException;

/**
 * A file of a class as it was when its folder was listed.
 *
 * @param path of the file
 * @param label the class
 * @param size in bytes
 * @param modified when it was last written to
 */
record ListedFile(Path path, int label, long size, FileTime modified) {
  /** Reads all bytes, and requires the file to be unchanged. */
  byte[] content(String function) {
    DataFile file = new DataFile(function, path);
    byte[] content = PictureReader.content(file, cause -> failure(file, cause));
    try {
      BasicFileAttributes now = Files.readAttributes(path, BasicFileAttributes.class);
      if (content.length != size
          || now.size() != size
          || !now.lastModifiedTime().equals(modified)) {
        throw changed(file, "another size or time of change", null);
      }
      return content;
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  private static FileException failure(DataFile file, IOException cause) {
    return cause instanceof NoSuchFileException
        ? changed(file, "no such file any more", cause)
        : file.unreadable(cause);
  }

  private static FileException changed(DataFile file, String got, IOException cause) {
    return new FileException(
        file.function()
            + ": "
            + file.origin().name()
            + " must stay as it was when its folder was opened (got "
            + got
            + ")",
        cause);
  }
}
