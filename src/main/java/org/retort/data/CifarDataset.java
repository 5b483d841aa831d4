package org.retort.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.retort.internal.Arguments;

/**
 * CIFAR-10 or CIFAR-100 in the binary version: for each image, one byte with its class, or two with
 * the coarse and the fine one, then 3,072 bytes, [3, 32, 32]. Pixels are kept as bytes; indices run
 * through the files in the order given.
 *
 * <p>Files are mapped into memory; those on file systems other than the default are read into it.
 * They must not change while the data set is in use.
 *
 * <p>Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
 */
public final class CifarDataset implements Dataset {
  private static final ImageShape SHAPE = new ImageShape(3, 32, 32);
  private static final BytePixels PIXELS = new BytePixels(255);

  private final List<ByteBuffer> files = new ArrayList<>();
  private final int[] firsts; // first index of each file, then the size
  private final int classes;
  private final int labelBytes;
  private final List<String> classNames;

  private CifarDataset(String function, Path[] paths, int classes, int labelBytes, String names) {
    Arguments.notNull(paths, function, "files");
    Arguments.atLeast(paths.length, 1, function, "files.length");
    this.classes = classes;
    this.labelBytes = labelBytes;
    firsts = new int[paths.length + 1];
    for (int i = 0; i < paths.length; i++) {
      DataFile file = DataFile.of(function, paths[i]);
      ByteBuffer bytes = file.bytes();
      check(file, bytes);
      files.add(bytes);
      firsts[i + 1] = Math.addExact(firsts[i], bytes.capacity() / record());
    }
    classNames = readNames(function, paths[0].resolveSibling(names));
  }

  /**
   * Opens CIFAR-10 files, for example {@code data_batch_1.bin} to {@code data_batch_5.bin}. The
   * class names come from {@code batches.meta.txt} next to the first file, if present.
   *
   * @param files at least one
   * @return the data set
   * @throws IllegalArgumentException if a file is null, or there is none
   * @throws org.retort.FileException if one is missing, can't be read, or is not a CIFAR-10 file;
   *     the message gives the file and the offset
   */
  public static CifarDataset cifar10(Path... files) {
    return new CifarDataset("CifarDataset.cifar10", files, 10, 1, "batches.meta.txt");
  }

  /**
   * Opens CIFAR-100 files, that is, {@code train.bin} or {@code test.bin}; the classes are the fine
   * ones. Their names come from {@code fine_label_names.txt} next to the first file, if present.
   *
   * @param files at least one
   * @return the data set
   * @throws IllegalArgumentException if a file is null, or there is none
   * @throws org.retort.FileException if one is missing, can't be read, or is not a CIFAR-100 file;
   *     the message gives the file and the offset
   */
  public static CifarDataset cifar100(Path... files) {
    return new CifarDataset("CifarDataset.cifar100", files, 100, 2, "fine_label_names.txt");
  }

  private int record() {
    return labelBytes + SHAPE.values();
  }

  private void check(DataFile file, ByteBuffer bytes) {
    int size = bytes.capacity();
    if (size == 0 || size % record() != 0) {
      throw file.damaged(
          "the file",
          "be whole images of " + record() + " bytes",
          "its end at byte " + size + ", within image " + size / record());
    }
    for (int at = labelBytes - 1; at < size; at += record()) {
      int label = bytes.get(at) & 0xff;
      if (label >= classes) {
        throw file.damagedAt(at, "the class", "be between 0 and " + (classes - 1), label);
      }
    }
  }

  private List<String> readNames(String function, Path path) {
    if (!Files.isRegularFile(path)) {
      return List.of();
    }
    DataFile file = DataFile.of(function, path);
    try {
      List<String> names =
          Files.readAllLines(path).stream().map(String::strip).filter(s -> !s.isEmpty()).toList();
      if (names.size() != classes) {
        throw file.damaged("the lines", "be " + classes + " names", String.valueOf(names.size()));
      }
      return names;
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  @Override
  public int size() {
    return firsts[files.size()];
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public ImageShape shape() {
    return SHAPE;
  }

  @Override
  public int label(int index) {
    Arguments.between(index, 0, size() - 1, "CifarDataset.label", "index");
    int file = fileOf(index);
    return files.get(file).get((index - firsts[file]) * record() + labelBytes - 1) & 0xff;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    Arguments.between(index, 0, size() - 1, "CifarDataset.read", "index");
    int file = fileOf(index);
    int offset = (index - firsts[file]) * record() + labelBytes;
    PIXELS.append(files.get(file), offset, SHAPE.values(), image);
  }

  private int fileOf(int index) {
    int file = 0;
    while (firsts[file + 1] <= index) {
      file++;
    }
    return file;
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  /** Returns a hash of the labels, the class names and the content of all files, in order. */
  @Override
  public long fingerprint() {
    Fingerprint fingerprint = Fingerprint.of(this);
    files.forEach(fingerprint::add);
    return fingerprint.value();
  }
}
