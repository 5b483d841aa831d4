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
 * What there is in a folder that {@link ImageFolder} opens: pictures, their sizes and kinds, and
 * files that are broken, found by decoding each file once. Unlike there, a class may have no image,
 * and all files may be broken. Memory is needed for the list of the files, not for what is in them.
 * Immutable.
 */
public final class FolderInspection {
  private static final String OF = "FolderInspection.of";
  private static final int MOST_THREADS = 1024;
  private static final int MOST_EXAMPLES = 8;

  private final List<String> classNames;
  private final ClassNames classes;
  private final int[] files; // of each class, broken ones among them
  private final int[] pictures; // of each class
  private final List<List<Path>> examples; // of each class
  private final SortedMap<PictureSize, Integer> sizes;
  private final Map<String, Integer> formats;
  private final int grey;
  private final int turned;
  private final List<BrokenFile> brokenFiles;
  private final int otherFiles;

  /** Hears how far the inspection is. */
  @FunctionalInterface
  public interface Progress {
    /**
     * Is called once the files are listed, and after each of them; by one thread at a time, but not
     * always the same.
     *
     * @param done how many files were decoded, from 0 to {@code all}
     * @param all how many there are
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
   * Looks at a folder.
   *
   * @param folder has a folder for each class; hidden ones and other files are skipped
   * @param threads how many decode files, from 1 to 1,024
   * @return what is in it
   * @throws IllegalArgumentException if the folder is null, or the number is out of range
   * @throws FileException if the folder is missing or has no classes, two names are alike, a folder
   *     can't be listed, or a library is missing
   */
  public static FolderInspection of(Path folder, int threads) {
    return of(folder, threads, (done, all) -> {});
  }

  /**
   * Looks at a folder, and says how far it is.
   *
   * @param folder has a folder for each class; hidden ones and other files are skipped
   * @param threads how many decode files, from 1 to 1,024
   * @param progress hears of each file
   * @return what is in it
   * @throws IllegalArgumentException if an argument is null, or the number is out of range
   * @throws FileException as {@link #of(Path, int)}
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

  /** Collects what the files say. */
  private static final class Tally {
    private final List<ListedFile> files;
    private final Progress progress;
    private final boolean[] isWhole;

    // Guarded by this as long as files are read.
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
   * The names of the classes.
   *
   * @return those of their folders, in order, at least one. Immutable.
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * The number of pictures, without broken files.
   *
   * @return at least 0
   */
  public int pictures() {
    return sizes.values().stream().mapToInt(Integer::intValue).sum();
  }

  /**
   * The number of pictures of a class, without broken files.
   *
   * @param className of any class; accents may be characters of their own
   * @return at least 0; 0 if there is no such class
   * @throws IllegalArgumentException if it is null
   */
  public int pictures(String className) {
    Integer label = label(className, "FolderInspection.pictures");
    return label == null ? 0 : pictures[label];
  }

  /**
   * The number of files of a class that are pictures by their names, broken ones among them.
   *
   * @param className of any class; accents may be characters of their own
   * @return at least 0; 0 if there is no such class
   * @throws IllegalArgumentException if it is null
   */
  public int files(String className) {
    Integer label = label(className, "FolderInspection.files");
    return label == null ? 0 : files[label];
  }

  /**
   * Whether there is a class, be it without a picture.
   *
   * @param className of a class; accents may be characters of their own
   * @return whether there is a folder of that name
   * @throws IllegalArgumentException if it is null
   */
  public boolean hasClass(String className) {
    return label(className, "FolderInspection.hasClass") != null;
  }

  /**
   * Some pictures of a class, evenly spaced among all of them.
   *
   * @param className of any class; accents may be characters of their own
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
   * The sizes of the pictures, as they are to be seen.
   *
   * @return how many are of each, by number of pixels. A new map.
   */
  public SortedMap<PictureSize, Integer> sizes() {
    return new TreeMap<>(sizes);
  }

  /**
   * The formats of the pictures by their content, whatever their names end in.
   *
   * @return how many are {@code JPEG}, {@code PNG} and {@code WEBP}; those that none is of are left
   *     out. A new map.
   */
  public Map<String, Integer> formats() {
    return new LinkedHashMap<>(formats);
  }

  /**
   * The number of pictures without colors.
   *
   * @return from 0 to the number of pictures
   */
  public int grey() {
    return grey;
  }

  /**
   * The number of pictures whose camera was not held upright, which are turned when they are read.
   *
   * @return from 0 to the number of pictures
   */
  public int turned() {
    return turned;
  }

  /**
   * The files that seem to be pictures and can't be read.
   *
   * @return each with its reason, by path. Immutable.
   */
  public List<BrokenFile> brokenFiles() {
    return brokenFiles;
  }

  /**
   * The number of entries that are skipped, as {@link ImageFolder#otherFiles}.
   *
   * @return at least 0
   */
  public int otherFiles() {
    return otherFiles;
  }
}
