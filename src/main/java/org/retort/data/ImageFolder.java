package org.retort.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * JPEG and PNG files in a folder for each class; classes are numbered by the names of their
 * folders, images by class and name, both in the order of Java's strings. Files are listed once,
 * and each is decoded whenever it is read, which leaves garbage.
 *
 * <p>An image is turned as it is to be seen, scaled to the smallest size that covers the shape, and
 * cropped around its centre, all as {@link PictureReader} does.
 */
public final class ImageFolder implements Dataset {
  private static final String OPEN = "ImageFolder.open";
  private static final Set<String> ENDINGS = Set.of("jpg", "jpeg", "png");

  private final ImageShape shape;
  private final List<String> classNames = new ArrayList<>();
  private final List<Path> files = new ArrayList<>();
  private final int[] lasts; // how many files the classes up to each have

  private ImageFolder(Path folder, ImageShape shape) throws IOException {
    this.shape = shape;
    List<Path> folders = sorted(folder, Files::isDirectory);
    lasts = new int[folders.size()];
    for (Path ofClass : folders) {
      List<Path> images = sorted(ofClass, ImageFolder::isImage);
      if (images.isEmpty()) {
        throw wrong("folder of a class must have JPEG or PNG files (got none in " + ofClass + ")");
      }
      files.addAll(images);
      lasts[classNames.size()] = files.size();
      classNames.add(ofClass.getFileName().toString());
    }
    if (files.isEmpty()) {
      throw wrong("folder must have a folder for each class (got none in " + folder + ")");
    }
  }

  /**
   * Lists the files of a folder.
   *
   * @param folder has a folder for each class; hidden ones and other files are skipped
   * @param shape what images are made to, with one channel or three
   * @return the data set
   * @throws IllegalArgumentException if an argument is null, or the shape has another number of
   *     channels
   * @throws FileException if the folder is missing or has no classes, a class has no image, or a
   *     folder can't be listed
   */
  public static ImageFolder open(Path folder, ImageShape shape) {
    Arguments.notNull(folder, OPEN, "folder");
    Arguments.notNull(shape, OPEN, "shape");
    if (!Files.isDirectory(folder)) {
      String rule = Files.exists(folder) ? "be a directory" : "exist";
      throw wrong("folder must " + rule + " (got " + folder + ")");
    }
    PictureReader.requireLibrary(OPEN);
    if (shape.channels() != 1 && shape.channels() != 3) {
      throw new IllegalArgumentException(
          OPEN + ": shape.channels must be 1 or 3 (got " + shape.channels() + ")");
    }
    try {
      return new ImageFolder(folder, shape);
    } catch (IOException e) {
      throw new FileException(OPEN + ": folder must be readable (got " + e.getMessage() + ")", e);
    }
  }

  private static FileException wrong(String message) {
    return new FileException(OPEN + ": " + message, null);
  }

  /** What of a folder is to be used. */
  @FunctionalInterface
  private interface Filter {
    boolean takes(Path path);
  }

  private static List<Path> sorted(Path folder, Filter filter) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(path -> !nameOf(path).startsWith(".") && filter.takes(path))
          .sorted((a, b) -> nameOf(a).compareTo(nameOf(b)))
          .toList();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static boolean isImage(Path path) {
    String name = nameOf(path);
    String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return ENDINGS.contains(ending) && Files.isRegularFile(path);
  }

  private static String nameOf(Path path) {
    return path.getFileName().toString();
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
    return shape;
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.label", "index");
    int found = Arrays.binarySearch(lasts, index + 1);
    return found >= 0 ? found : -found - 1;
  }

  /**
   * The file of an image.
   *
   * @param index from 0 to size − 1
   * @return its path
   * @throws IllegalArgumentException if there is no such image
   */
  public Path file(int index) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.file", "index");
    return files.get(index);
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, files.size() - 1, "ImageFolder.read", "index");
    BytePixels.requireRoom(image, shape.values());
    image.put(PictureReader.of(shape).read(new DataFile("ImageFolder.read", files.get(index))));
  }

  @Override
  public List<String> classNames() {
    return List.copyOf(classNames);
  }

  /**
   * A hash of the names of the classes and the names and sizes of all files, whose content is not
   * read; where the folder is does not matter.
   */
  @Override
  public long fingerprint() {
    Fingerprint fingerprint = Fingerprint.of(this);
    for (Path file : files) {
      try {
        fingerprint.add(nameOf(file)).add(Files.size(file));
      } catch (IOException e) {
        throw new DataFile("ImageFolder.fingerprint", file).unreadable(e);
      }
    }
    return fingerprint.value();
  }
}
