package org.retort.recipes;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.IntStream;
import org.retort.FileException;
import org.retort.data.Augmentation;
import org.retort.data.BrokenFiles;
import org.retort.data.Dataset;
import org.retort.data.FolderParts;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.data.PackedDataset;
import org.retort.data.Split;
import org.retort.data.Subset;

/**
 * Pictures in one folder per class: {@code folder}, which may contain the parts, see {@link
 * FolderParts}, or {@code train} and {@code test}. Other keys are {@code size}, of what networks
 * see, {@code resize}, of the shorter side before that, {@code channels}, {@code broken: refuse |
 * skip}, and {@code cache}, a folder for decoded pictures.
 *
 * @param shape the shape of what networks see
 * @param resize the size of the shorter side; 0 for the smallest size that covers the shape
 * @param broken how broken files, which are searched for first, are handled
 * @param cache where decoded pictures are stored
 * @param augmentation determines the size of pictures in training
 */
record PictureData(
    ImageShape shape,
    int resize,
    BrokenFiles broken,
    Optional<Path> cache,
    Augmentation augmentation) {
  private static final int SIZE = 224;
  private static final int MAX_SIZE = 4096;
  private static final String TRAIN = "train";
  private static final String TEST = "test";

  /** Reads the keys that say how pictures are read. */
  static PictureData read(Fields fields, Augmentation augmentation) {
    int size = fields.whole("size", 1, MAX_SIZE, SIZE);
    int channels = fields.whole("channels", 1, 3, 3);
    if (channels == 2) {
      throw fields.wrong("channels", "be 1 or 3", channels);
    }
    int resize = fields.whole("resize", 0, MAX_SIZE, 0);
    if (resize != 0 && resize < size) {
      throw fields.wrong("resize", "be at least the size, " + size, resize);
    }
    return new PictureData(
        new ImageShape(channels, size, size),
        resize,
        fields.choice("broken", BrokenFiles.class, BrokenFiles.REFUSE),
        fields.has("cache") ? Optional.of(fields.path("cache")) : Optional.empty(),
        augmentation);
  }

  /** Reads a folder, which contains the parts if it has folders for them. */
  DataParts open(Path folder, Validation validation) {
    FolderParts parts = FolderParts.of(folder);
    if (parts.test().isPresent()) {
      validation.requireNone();
      return open(parts.train(), parts.test().get(), folder.toString());
    }
    ImageFolder whole = builder(folder, shape).open();
    requireClasses(whole);
    Split split = Split.of(whole, validation.share(), Validation.SEED);
    Dataset training =
        trainShape().equals(shape)
            ? packed(split.training(), TRAIN)
            : packed(inTrainShape(whole, split.training()), TRAIN);
    return DataParts.of(training, packed(split.validation(), TEST), folder.toString())
        .withPictures(shape, resize, threads());
  }

  /** Reads two folders, the first of which has all classes. */
  DataParts open(Path trainFolder, Path testFolder, String credit) {
    ImageFolder train = builder(trainFolder, trainShape()).open();
    requireClasses(train);
    ImageFolder test = builder(testFolder, shape).classes(train.classNames()).open();
    return DataParts.of(packed(train, TRAIN), packed(test, TEST), credit)
        .withPictures(shape, resize, threads());
  }

  /** Decoding uses all processors that training leaves free; reading decoded pictures uses one. */
  private int threads() {
    return cache.isPresent() ? 1 : Runtime.getRuntime().availableProcessors();
  }

  /** Random crops are taken from pictures larger than what networks see. */
  private ImageShape trainShape() {
    boolean isCut = augmentation.resizedCrop().isPresent() && resize > 0;
    return isCut ? new ImageShape(shape.channels(), resize, resize) : shape;
  }

  private ImageFolder.Builder builder(Path folder, ImageShape of) {
    return ImageFolder.builder(folder, of).resize(resize).broken(broken);
  }

  /** Returns the images of a part in the training shape. */
  private Subset inTrainShape(ImageFolder whole, Subset part) {
    int[] indices = IntStream.range(0, part.size()).map(part::indexInWhole).toArray();
    return Subset.of(whole.withShape(trainShape()), indices);
  }

  private Dataset packed(Dataset images, String name) {
    return cache
        .map(folder -> (Dataset) PackedDataset.open(images, made(folder).resolve(name + ".packed")))
        .orElse(images);
  }

  private static Path made(Path folder) {
    try {
      return Files.createDirectories(folder);
    } catch (IOException failure) {
      throw new FileException(
          "cache must be a folder that exists or can be created (got " + folder + ")", failure);
    }
  }

  private static void requireClasses(ImageFolder images) {
    if (images.classes() < 2) {
      throw new FileException(
          "data must have at least two classes (got one, %s)".formatted(images.classNames().get(0)),
          null);
    }
  }
}
