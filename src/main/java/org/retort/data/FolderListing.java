package org.retort.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;
import org.retort.data.ImageFolder.BrokenFile;

/** The contents of an image folder, by the names and attributes of its files. */
final class FolderListing {
  private final String function;
  private final @Nullable ClassNames given;
  private final List<String> classNames = new ArrayList<>();
  private final List<Path> folders = new ArrayList<>();
  private final List<ListedFile> files = new ArrayList<>();
  private final List<BrokenFile> unreadable = new ArrayList<>();
  private int others;

  private FolderListing(String function, @Nullable List<String> classes) {
    this.function = function;
    given = classes == null ? null : new ClassNames(classes);
    if (classes != null) {
      classNames.addAll(classes);
    }
  }

  /** Lists a folder, whose classes are the given ones or its subfolders. */
  static FolderListing of(String function, Path folder, @Nullable List<String> classes) {
    FolderListing listing = new FolderListing(function, classes);
    if (!Files.isDirectory(folder)) {
      String rule = Files.exists(folder) ? "be a directory" : "exist";
      throw listing.wrong("folder must " + rule + " (got " + folder + ")");
    }
    Path[] at = {folder};
    try {
      listing.addClasses(folder);
      Path[] ofClasses = listing.ofClasses();
      for (int i = 0; i < ofClasses.length; i++) {
        if (ofClasses[i] != null) {
          at[0] = ofClasses[i];
          listing.addImages(ofClasses[i], i);
        }
      }
    } catch (IOException e) {
      throw new FileException(function + ": folder must be readable (got " + at[0] + ")", e);
    }
    return listing;
  }

  private FileException wrong(String message) {
    return new FileException(function + ": " + Origin.oneLine(message), null);
  }

  private void addClasses(Path folder) throws IOException {
    for (Path entry : sorted(folder)) {
      if (isHidden(entry)) {
        others++;
      } else if (Files.isDirectory(entry)) {
        folders.add(entry);
      } else if (Files.exists(entry)) {
        others++;
      } else {
        throw wrong("folder of a class must exist (got a link to nothing, " + entry + ")");
      }
    }
    requireDistinct("folders of classes", "case", folders, FolderListing::nameOf);
  }

  /** Returns the folders in the order of the classes, null where there is none. */
  private @Nullable Path[] ofClasses() {
    if (given == null) {
      folders.forEach(folder -> classNames.add(nameOf(folder)));
      return folders.toArray(Path[]::new);
    }
    @Nullable Path[] ofClasses = new Path[classNames.size()];
    for (Path folder : folders) {
      Integer label = given.label(nameOf(folder));
      if (label == null) {
        throw wrong(
            "folder of a class must be one of the "
                + classNames.size()
                + " classes given (got "
                + folder
                + given.got(nameOf(folder))
                + ")");
      }
      ofClasses[label] = folder;
    }
    return ofClasses;
  }

  private void addImages(Path folder, int label) throws IOException {
    List<Path> images = new ArrayList<>();
    for (Path entry : sorted(folder)) {
      if (isHidden(entry)
          || PictureFormat.named(nameOf(entry)).isEmpty()
          || !isImage(entry, label)) {
        others++;
      } else {
        images.add(entry);
      }
    }
    requireDistinct("images of a class", "case and ending", images, FolderListing::stemOf);
  }

  /** Lists a file, or why it can't be read; returns false if it is not a file. */
  private boolean isImage(Path path, int label) throws IOException {
    try {
      BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
      if (!attributes.isRegularFile()) {
        return false;
      }
      if (Files.isReadable(path)) {
        files.add(new ListedFile(path, label, attributes.size(), attributes.lastModifiedTime()));
      } else {
        unreadable.add(
            new BrokenFile(path, Origin.oneLine(path + " must be readable (got no permission)")));
      }
    } catch (NoSuchFileException e) {
      unreadable.add(
          new BrokenFile(path, Origin.oneLine(path + " must exist (got a link to nothing)")));
    }
    return true;
  }

  /** Names that differ only in case, accent form or extension are one file on another system. */
  private void requireDistinct(
      String what, String ignored, List<Path> paths, Function<Path, String> name) {
    Map<String, Path> seen = new HashMap<>();
    for (Path path : paths) {
      Path other = seen.put(ClassNames.key(name.apply(path)), path);
      if (other != null) {
        throw wrong(
            what
                + " must have different names, whatever their "
                + ignored
                + " (got "
                + other
                + " and "
                + path
                + ")");
      }
    }
  }

  private static List<Path> sorted(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.sorted((a, b) -> nameOf(a).compareTo(nameOf(b))).toList();
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static boolean isHidden(Path path) {
    return nameOf(path).startsWith(".");
  }

  private static String nameOf(Path path) {
    return path.getFileName().toString();
  }

  private static String stemOf(Path path) {
    String name = nameOf(path);
    return name.substring(0, name.lastIndexOf('.'));
  }

  /** Returns the names of the classes. */
  List<String> classNames() {
    return classNames;
  }

  /** Returns the folders of classes, sorted by name. */
  List<Path> folders() {
    return folders;
  }

  /** Returns the files that seem to be images, sorted by class and name. */
  List<ListedFile> files() {
    return files;
  }

  /** Returns the files that do not exist or are not readable. */
  List<BrokenFile> unreadable() {
    return unreadable;
  }

  /** Returns the number of entries that are not images. */
  int others() {
    return others;
  }
}
