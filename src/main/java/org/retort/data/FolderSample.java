package org.retort.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * A summary of a folder's pictures from the headers of some of them, from which to choose the shape
 * that a network sees. {@link FolderInspection} looks at all of them and decodes them.
 *
 * @param pictures the apparent number, by file extension, at least 1
 * @param shorterSide the median length of the shorter side, in pixels
 * @param isGrey whether all are grey
 */
public record FolderSample(int pictures, int shorterSide, boolean isGrey) {
  private static final String OF = "FolderSample.of";
  private static final int MOST_PICTURES = 100;

  /**
   * Checks the values.
   *
   * @param pictures as above
   * @param shorterSide as above
   * @param isGrey as above
   * @throws IllegalArgumentException if a number is below 1
   */
  public FolderSample {
    Arguments.atLeast(pictures, 1, "FolderSample", "pictures");
    Arguments.atLeast(shorterSide, 1, "FolderSample", "shorterSide");
  }

  /**
   * Reads the headers of up to 100 files, evenly spaced among those of all classes. Files without a
   * header are left out.
   *
   * @param folder a folder with a subfolder for each class, or with {@link FolderParts parts}, of
   *     which the one for training is used
   * @return the summary
   * @throws IllegalArgumentException if it is null
   * @throws FileException if the folder is missing, can't be listed, has names that are alike, or
   *     has no file whose header can be read
   */
  public static FolderSample of(Path folder) {
    Arguments.notNull(folder, OF, "folder");
    Path train = FolderParts.of(folder).train();
    List<ListedFile> files = FolderListing.of(OF, train, null).files();
    List<PictureInfo> found =
        evenly(files.size(), MOST_PICTURES)
            .mapToObj(index -> PictureInfo.ofHeader(files.get(index).path()))
            .flatMap(Optional::stream)
            .toList();
    if (found.isEmpty()) {
      throw ImageFolder.noImages(OF, train);
    }
    int[] sides = found.stream().mapToInt(info -> info.size().shorterSide()).sorted().toArray();
    return new FolderSample(
        files.size(), sides[(sides.length - 1) / 2], found.stream().allMatch(PictureInfo::isGrey));
  }

  /** Returns at most so many of {@code count} indices, evenly spaced, in order. */
  static IntStream evenly(int count, int most) {
    int taken = Math.min(count, most);
    return IntStream.range(0, taken).map(i -> (int) ((long) i * count / taken));
  }
}
