package org.retort.data;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * JPEG, PNG and WebP files in one folder per class. Classes are numbered by folder name or, so that
 * all parts of the data use the same numbers, by {@link Builder#classes a list}; images are
 * numbered by class and name, in the order of Java's strings. Files are listed once, and each is
 * decoded every time it is read, which creates garbage; {@link PackedDataset} decodes each once.
 *
 * <p>An image is oriented for display, scaled to the smallest size that covers the shape or to
 * {@link Builder#resize another one}, and cropped around its centre, as {@link PictureReader} does;
 * see there for what must be on the class path.
 *
 * <p>The folder must not change: a file that is gone, or whose size or modification time differs
 * from when the folder was listed, is not read. Names of classes, and of images of a class, that
 * differ only in case, in the form of their accents or, for images, in their extension, are
 * rejected: on other systems they are the same, and usually they are the same image.
 */
public final class ImageFolder implements Dataset {
  private static final String OPEN = "ImageFolder.open";
  private static final String BUILDER_OPEN = "ImageFolder.Builder.open";

  private final PictureReader reader;
  private final List<String> classNames;
  private final List<ListedFile> files;
  private final List<BrokenFile> brokenFiles;
  private final int otherFiles;

  /**
   * A file that was left out.
   *
   * @param file its path
   * @param reason what is wrong, in one line
   */
  public record BrokenFile(Path file, String reason) {
    /**
     * Checks the values.
     *
     * @param file as above
     * @param reason as above
     * @throws IllegalArgumentException if one is null
     */
    public BrokenFile {
      Arguments.notNull(file, "ImageFolder.BrokenFile", "file");
      Arguments.notNull(reason, "ImageFolder.BrokenFile", "reason");
    }
  }

  private ImageFolder(String function, Builder options) {
    PictureReader.requireLibrary(function);
    reader = new PictureReader(options.shape, options.resize);
    FolderListing listing = FolderListing.of(function, options.folder, options.classes);
    requirePlugin(function, listing.files());
    ImageCheck check = ImageCheck.of(function, listing, options.broken, options.threads);
    files = List.copyOf(check.whole());
    brokenFiles = List.copyOf(check.broken());
    classNames = List.copyOf(listing.classNames());
    otherFiles = listing.others();
    requireImages(function, options, listing.folders());
  }

  private ImageFolder(ImageFolder other, PictureReader reader) {
    this.reader = reader;
    files = other.files;
    brokenFiles = other.brokenFiles;
    classNames = other.classNames;
    otherFiles = other.otherFiles;
  }

  /**
   * Returns the same files as images of another shape, without checking the files again.
   *
   * @param shape the shape that images are converted to, with one or three channels
   * @return a data set of the same size, classes and labels
   * @throws IllegalArgumentException if the shape is null, has another number of channels, or does
   *     not fit the length that the shorter side is scaled to
   */
  public ImageFolder withShape(ImageShape shape) {
    PictureReader.check("ImageFolder.withShape", shape, reader.resize());
    return new ImageFolder(this, new PictureReader(shape, reader.resize()));
  }

  private void requireImages(String function, Builder options, List<Path> folders) {
    if (options.classes == null) {
      Set<Integer> labels = files.stream().map(ListedFile::label).collect(Collectors.toSet());
      for (int i = 0; i < folders.size(); i++) {
        if (!labels.contains(i)) {
          throw wrong(
              function, "folder of a class must have images (got none in " + folders.get(i) + ")");
        }
      }
    }
    if (files.isEmpty()) {
      throw noImages(function, options.folder);
    }
  }

  /** Returns the error for a folder without classes. */
  static FileException noImages(String function, Path folder) {
    return wrong(
        function,
        "folder must have a folder of images for each class (got none in " + folder + ")");
  }

  /** Requires the WebP plug-in if there are WebP files. */
  static void requirePlugin(String function, List<ListedFile> files) {
    files.stream()
        .map(file -> file.path().toString())
        .filter(name -> PictureFormat.named(name).filter(PictureFormat.WEBP::equals).isPresent())
        .findFirst()
        .filter(name -> PictureFormat.WEBP.reader().isEmpty())
        .ifPresent(
            name -> {
              throw WebpFile.noReader(new Origin(function, name));
            });
  }

  private static FileException wrong(String function, String message) {
    return new FileException(function + ": " + Origin.oneLine(message), null);
  }

  /**
   * Lists the files of a folder. Whether they are images is checked when they are read.
   *
   * @param folder a folder with one folder per class; hidden ones and other files are skipped
   * @param shape the shape that images are converted to, with one or three channels
   * @return the data set
   * @throws IllegalArgumentException if an argument is null, or the shape has another number of
   *     channels
   * @throws FileException if the folder is missing or has no classes, a class has no image, two
   *     names are alike, a folder can't be listed, a file may not be read, or a library is missing
   */
  public static ImageFolder open(Path folder, ImageShape shape) {
    return new ImageFolder(OPEN, begin(OPEN, folder, shape));
  }

  /**
   * Starts building a data set from a folder.
   *
   * @param folder a folder with one folder per class; hidden ones and other files are skipped
   * @param shape the shape that images are converted to, with one or three channels
   * @return a new builder
   * @throws IllegalArgumentException if an argument is null, or the shape has another number of
   *     channels
   */
  public static Builder builder(Path folder, ImageShape shape) {
    return begin("ImageFolder.builder", folder, shape);
  }

  private static Builder begin(String function, Path folder, ImageShape shape) {
    Arguments.notNull(folder, function, "folder");
    PictureReader.check(function, shape, 0);
    return new Builder(folder, shape);
  }

  @Override
  public int size() {
    return files.size();
  }

  @Override
  public int classes() {
    return classNames.size();
  }

  @Override
  public ImageShape shape() {
    return reader.shape();
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.label", "index");
    return files.get(index).label();
  }

  /**
   * Returns the file of an image.
   *
   * @param index from 0 to size − 1
   * @return its path
   * @throws IllegalArgumentException if there is no such image
   */
  public Path file(int index) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.file", "index");
    return files.get(index).path();
  }

  /**
   * Returns the reader of the images, for reading other pictures in the same way.
   *
   * @return the reader
   */
  public PictureReader reader() {
    return reader;
  }

  /**
   * Returns the files that were left out by {@link BrokenFiles#SKIP}.
   *
   * @return each with its reason, sorted by path; empty if there were none or files were not
   *     checked. Immutable.
   */
  public List<BrokenFile> brokenFiles() {
    return brokenFiles;
  }

  /**
   * Returns the number of entries of the folder and of its class folders that were skipped because
   * of their names: hidden ones, files without the extension of an image, folders within classes.
   *
   * @return at least 0
   */
  public int otherFiles() {
    return otherFiles;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.read", "index");
    BytePixels.requireRoom(image, reader.shape().values());
    ListedFile file = files.get(index);
    Origin origin = new Origin("ImageFolder.read", file.path().toString());
    image.put(reader.values(origin, file.content("ImageFolder.read")));
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Returns a hash of the names of the classes, the names and sizes of all files, whose content is
   * not read, and the size that images are scaled to, if one was set; the location of the folder
   * does not matter.
   */
  @Override
  public long fingerprint() {
    Fingerprint fingerprint = Fingerprint.of(this);
    for (ListedFile file : files) {
      fingerprint.add(file.path().getFileName().toString()).add(file.size());
    }
    if (reader.resize() != 0) {
      fingerprint.add("resize").add(reader.resize());
    }
    return fingerprint.value();
  }

  /** A builder of data sets from folders. */
  public static final class Builder {
    private static final int MOST_THREADS = 1024;

    private final Path folder;
    private final ImageShape shape;
    private @Nullable List<String> classes;
    private int resize;
    private @Nullable BrokenFiles broken;
    private int threads = Runtime.getRuntime().availableProcessors();

    private Builder(Path folder, ImageShape shape) {
      this.folder = folder;
      this.shape = shape;
    }

    /**
     * Sets the classes, for example those of the training set: an image's label is the position of
     * its folder's name. A class keeps its number even if it has no folder here, or no image; a
     * folder that is not in the list is rejected. By default, the folders themselves are the
     * classes, and each must have an image.
     *
     * @param names of all classes, each once
     * @return this builder
     * @throws IllegalArgumentException if the list is null or empty, or contains null or names that
     *     are equal except for case
     */
    public Builder classes(List<String> names) {
      String function = "ImageFolder.Builder.classes";
      List<String> given = Arguments.list(names, function, "names");
      Arguments.atLeast(given.size(), 1, function, "names.size()");
      Set<String> seen = new HashSet<>();
      for (String name : given) {
        Arguments.check(
            seen.add(ClassNames.key(name)),
            "%s: names must not repeat one, whatever its case (got %s twice)",
            function,
            name);
      }
      classes = given;
      return this;
    }

    /**
     * Sets the length that the shorter side of images is scaled to before the centre is cropped; 0,
     * the default, is the smallest size that covers the shape.
     *
     * @param shorterSide in pixels, at least the longer side of the shape, or 0
     * @return this builder
     * @throws IllegalArgumentException if the length is out of range
     */
    public Builder resize(int shorterSide) {
      PictureReader.check("ImageFolder.Builder.resize", shape, shorterSide);
      resize = shorterSide;
      return this;
    }

    /**
     * Looks for files that are not whole images when the folder is opened, decoding each file once.
     * By default, a broken file is an error when it is read.
     *
     * @param broken what to do with them
     * @return this builder
     * @throws IllegalArgumentException if it is null
     */
    public Builder broken(BrokenFiles broken) {
      this.broken = Arguments.notNull(broken, "ImageFolder.Builder.broken", "broken");
      return this;
    }

    /**
     * Sets the number of threads that look for broken files; one per processor by default.
     *
     * @param count from 1 to 1,024
     * @return this builder
     * @throws IllegalArgumentException if the number is out of range
     */
    public Builder threads(int count) {
      Arguments.between(count, 1, MOST_THREADS, "ImageFolder.Builder.threads", "count");
      threads = count;
      return this;
    }

    /**
     * Lists the files.
     *
     * @return the data set
     * @throws FileException as for {@link ImageFolder#open}; if a folder is not one of the given
     *     classes; or if a file is broken and broken files are to be rejected
     */
    public ImageFolder open() {
      return new ImageFolder(BUILDER_OPEN, this);
    }
  }
}
