package org.retort.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.data.ImageFolder.BrokenFile;
import org.retort.internal.Arguments;

/**
 * The contents of a folder that {@link ImageFolder} opens: pictures, their sizes and kinds, and
 * broken files, found by decoding each file once. Unlike there, a class may have no image, and all
 * files may be broken. Memory is needed for the list of files, not for their content. Immutable.
 */
public final class FolderInspection {
  private static final String OF = "FolderInspection.of";
  private static final int MOST_THREADS = 1024;
  private static final int MOST_EXAMPLES = 8;

  private final List<String> classNames;
  private final ClassNames classes;
  private final int[] files; // of each class, including broken ones
  private final int[] pictures; // of each class
  private final List<List<Path>> examples; // of each class
  private final SortedMap<PictureSize, Integer> sizes;
  private final Map<String, Integer> formats;
  private final int grey;
  private final int turned;
  private final List<BrokenFile> brokenFiles;
  private final int otherFiles;

  /** A listener for the progress of an inspection. */
  @FunctionalInterface
  public interface Progress {
    /**
     * Called once the files are listed, and after each of them; by one thread at a time, but not
     * always the same one.
     *
     * @param done the number of files decoded, from 0 to {@code all}
     * @param all the number of files
     */
    void at(int done, int all);
  }

  private FolderInspection(FolderListing listing, Tally tally) {
    classNames = List.copyOf(listing.classNames());
    classes = new ClassNames(classNames);
    files = new int[classNames.size()];
    pictures = new int[classNames.size()];
    List<List<Path>> whole = new ArrayList<>();
    classNames.forEach(name -> whole.add(new ArrayList<>()));
    for (int i = 0; i < tally.isWhole.length; i++) {
      ListedFile file = listing.files().get(i);
      files[file.label()]++;
      if (tally.isWhole[i]) {
        pictures[file.label()]++;
        whole.get(file.label()).add(file.path());
      }
    }
    for (BrokenFile file : listing.unreadable()) {
      files[listing.folders().indexOf(file.file().getParent())]++;
    }
    examples =
        whole.stream()
            .map(of -> FolderSample.evenly(of.size(), MOST_EXAMPLES).mapToObj(of::get).toList())
            .toList();
    sizes = tally.sizes;
    formats = new LinkedHashMap<>();
    tally.formats.forEach((format, count) -> formats.put(format.name(), count));
    grey = tally.grey;
    turned = tally.turned;
    brokenFiles =
        Stream.concat(listing.unreadable().stream(), tally.broken.stream())
            .sorted(Comparator.comparing(BrokenFile::file))
            .toList();
    otherFiles = listing.others();
  }

  /**
   * Inspects a folder.
   *
   * @param folder a folder with a subfolder for each class; hidden ones and other files are skipped
   * @param threads the number of threads that decode files, from 1 to 1,024
   * @return its contents
   * @throws IllegalArgumentException if the folder is null, or the number is out of range
   * @throws FileException if the folder is missing or has no classes, two names are alike, a folder
   *     can't be listed, or a library is missing
   */
  public static FolderInspection of(Path folder, int threads) {
    return of(folder, threads, (done, all) -> {});
  }

  /**
   * Inspects a folder and reports the progress.
   *
   * @param folder a folder with a subfolder for each class; hidden ones and other files are skipped
   * @param threads the number of threads that decode files, from 1 to 1,024
   * @param progress notified of each file
   * @return its contents
   * @throws IllegalArgumentException if an argument is null, or the number is out of range
   * @throws FileException as for {@link #of(Path, int)}
   */
  public static FolderInspection of(Path folder, int threads, Progress progress) {
    Arguments.notNull(folder, OF, "folder");
    Arguments.between(threads, 1, MOST_THREADS, OF, "threads");
    Arguments.notNull(progress, OF, "progress");
    PictureReader.requireLibrary(OF);
    FolderListing listing = FolderListing.of(OF, folder, null);
    ImageFolder.requirePlugin(OF, listing.files());
    if (listing.folders().isEmpty()) {
      throw ImageFolder.noImages(OF, folder);
    }
    Tally tally = new Tally(listing.files(), progress);
    Parallel.run(threads, listing.files().size(), () -> tally::read);
    return new FolderInspection(listing, tally);
  }

  /** Collects the results for the files. */
  private static final class Tally {
    private final List<ListedFile> files;
    private final Progress progress;
    private final boolean[] isWhole;

    // Guarded by this while files are read.
    private final SortedMap<PictureSize, Integer> sizes = new TreeMap<>();
    private final Map<PictureFormat, Integer> formats = new EnumMap<>(PictureFormat.class);
    private final List<BrokenFile> broken = new ArrayList<>();
    private int grey;
    private int turned;
    private int done;

    Tally(List<ListedFile> files, Progress progress) {
      this.files = files;
      this.progress = progress;
      isWhole = new boolean[files.size()];
      progress.at(0, files.size());
    }

    void read(int index) {
      ListedFile file = files.get(index);
      try {
        Origin origin = new Origin(OF, file.path().toString());
        add(index, PictureInfo.of(origin, file.content(OF)), null);
      } catch (FileException e) {
        add(index, null, ImageCheck.reason(OF, e));
      }
    }

    private synchronized void add(
        int index, @Nullable PictureInfo info, @Nullable String whyBroken) {
      if (info == null) {
        broken.add(new BrokenFile(files.get(index).path(), whyBroken));
      } else {
        isWhole[index] = true;
        sizes.merge(info.size(), 1, Integer::sum);
        formats.merge(info.format(), 1, Integer::sum);
        grey += info.isGrey() ? 1 : 0;
        turned += info.isTurned() ? 1 : 0;
      }
      progress.at(++done, files.size());
    }
  }

  /**
   * Returns the names of the classes.
   *
   * @return the names of their folders, in order, at least one. Immutable.
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Returns the number of pictures, excluding broken files.
   *
   * @return at least 0
   */
  public int pictures() {
    return sizes.values().stream().mapToInt(Integer::intValue).sum();
  }

  /**
   * Returns the number of pictures of a class, excluding broken files.
   *
   * @param className any class name; accents may be separate characters
   * @return at least 0; 0 if there is no such class
   * @throws IllegalArgumentException if it is null
   */
  public int pictures(String className) {
    Integer label = label(className, "FolderInspection.pictures");
    return label == null ? 0 : pictures[label];
  }

  /**
   * Returns the number of files of a class that are pictures by their names, including broken ones.
   *
   * @param className any class name; accents may be separate characters
   * @return at least 0; 0 if there is no such class
   * @throws IllegalArgumentException if it is null
   */
  public int files(String className) {
    Integer label = label(className, "FolderInspection.files");
    return label == null ? 0 : files[label];
  }

  /**
   * Returns whether there is a class, even one without pictures.
   *
   * @param className a class name; accents may be separate characters
   * @return whether there is a folder with that name
   * @throws IllegalArgumentException if it is null
   */
  public boolean hasClass(String className) {
    return label(className, "FolderInspection.hasClass") != null;
  }

  /**
   * Returns some pictures of a class, evenly spaced among all of them.
   *
   * @param className any class name; accents may be separate characters
   * @return paths of up to eight, in the order of their names; empty if there is no such class.
   *     Immutable.
   * @throws IllegalArgumentException if it is null
   */
  public List<Path> examples(String className) {
    Integer label = label(className, "FolderInspection.examples");
    return label == null ? List.of() : examples.get(label);
  }

  private @Nullable Integer label(String className, String function) {
    return classes.label(Arguments.notNull(className, function, "className"));
  }

  /**
   * Returns the sizes of the pictures as displayed.
   *
   * @return the number of pictures of each size, sorted by number of pixels. A new map.
   */
  public SortedMap<PictureSize, Integer> sizes() {
    return new TreeMap<>(sizes);
  }

  /**
   * Returns the formats of the pictures by their content, whatever their file extensions.
   *
   * @return the number of pictures that are {@code JPEG}, {@code PNG} and {@code WEBP}; formats of
   *     no picture are left out. A new map.
   */
  public Map<String, Integer> formats() {
    return new LinkedHashMap<>(formats);
  }

  /**
   * Returns the number of pictures without colours.
   *
   * @return from 0 to the number of pictures
   */
  public int grey() {
    return grey;
  }

  /**
   * Returns the number of pictures whose camera was not held upright, which are rotated when read.
   *
   * @return from 0 to the number of pictures
   */
  public int turned() {
    return turned;
  }

  /**
   * Returns the files that seem to be pictures but can't be read.
   *
   * @return each with its reason, sorted by path. Immutable.
   */
  public List<BrokenFile> brokenFiles() {
    return brokenFiles;
  }

  /**
   * Returns the number of skipped entries, like {@link ImageFolder#otherFiles}.
   *
   * @return at least 0
   */
  public int otherFiles() {
    return otherFiles;
  }
}
