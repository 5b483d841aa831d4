package org.retort.data;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.data.ImageFolder.BrokenFile;

/**
 * Files that are images and files that only appear to be.
 *
 * @param whole the images
 * @param broken the other files, by path
 */
record ImageCheck(List<ListedFile> whole, List<BrokenFile> broken) {
  /** The most broken files to name. */
  private static final int NAMED = 3;

  /**
   * Decodes all files if broken ones are to be rejected or skipped; otherwise, only those that
   * can't be opened are rejected.
   */
  static ImageCheck of(
      String function, FolderListing listing, @Nullable BrokenFiles rule, int threads) {
    List<ListedFile> files = listing.files();
    @Nullable String[] reasons = new String[files.size()];
    if (rule != null) {
      Parallel.run(
          threads, files.size(), () -> i -> reasons[i] = whyBroken(function, files.get(i)));
    }
    List<BrokenFile> broken = new ArrayList<>(listing.unreadable());
    List<ListedFile> whole = new ArrayList<>();
    for (int i = 0; i < reasons.length; i++) {
      if (reasons[i] == null) {
        whole.add(files.get(i));
      } else {
        broken.add(new BrokenFile(files.get(i).path(), reasons[i]));
      }
    }
    broken.sort(Comparator.comparing(BrokenFile::file));
    if (!broken.isEmpty() && rule != BrokenFiles.SKIP) {
      throw refused(function, broken, files.size() + listing.unreadable().size());
    }
    return new ImageCheck(whole, broken);
  }

  private static @Nullable String whyBroken(String function, ListedFile file) {
    try {
      PictureDecoder.decode(new Origin(function, file.path().toString()), file.content(function));
      return null;
    } catch (FileException e) {
      return reason(function, e);
    }
  }

  /** Returns what is wrong with a file, from the error that a function threw. */
  static String reason(String function, FileException error) {
    return error.getMessage().substring(function.length() + 2);
  }

  private static FileException refused(String function, List<BrokenFile> broken, int all) {
    String named =
        broken.stream().limit(NAMED).map(BrokenFile::reason).collect(Collectors.joining("; "));
    return new FileException(
        function
            + ": files must be whole images (got "
            + broken.size()
            + " broken of "
            + all
            + ": "
            + named
            + (broken.size() > NAMED ? "; …" : "")
            + ")",
        null);
  }
}
