package org.retort.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.retort.FileException;
import org.retort.internal.Arguments;

/**
 * A reader of JPEG, PNG and WebP pictures for networks. A picture is scaled, keeping its aspect
 * ratio, until its shorter side has a given length or, by default, to the smallest size that covers
 * the shape; then its centre is cropped. {@link ImageFolder} reads its files this way; use it for
 * single pictures passed to a network, too.
 *
 * <p>Values are {@code byte / 255f}; the bytes are those of Pillow's {@code convert("RGB")}, or of
 * {@code convert("L")} applied to it if the shape has one channel, oriented by {@code
 * ImageOps.exif_transpose}, and of torchvision's {@code Resize(resize)} (bilinear, with
 * antialiasing) and {@code CenterCrop}. So colors are the values in the file, whatever color
 * profile or gamma it names. Of 16-bit samples, the upper eight bits are used (Pillow clips grey
 * ones). Cyan, magenta, yellow and black are multiplied, (1 − c)(1 − k), and taken to be inverted,
 * as Adobe's programs write them. Transparency is dropped. Orientations given only in XMP data are
 * ignored. Lossy WebP is as the plug-in decodes it, which may differ: colors of the one named below
 * differ by some levels of 255 on average, while lossless ones are the same.
 *
 * <p>A file's format is determined by its content, not its name. Files of more than 2²⁶ pixels and
 * animations are rejected. {@code com.drewnoakes:metadata-extractor} must be on the class path, and
 * for WebP an ImageIO plug-in, {@code com.twelvemonkeys.imageio:imageio-webp}. Readers are values
 * that any number of threads may share; each picture creates garbage.
 *
 * @param shape the shape of the pictures read, with one or three channels
 * @param resize length in pixels that the shorter side is scaled to, at least the shape's longer
 *     side; 0 for the smallest size that covers the shape
 */
public record PictureReader(ImageShape shape, int resize) {
  private static final String READ = "PictureReader.read";

  /** The largest file that is read. */
  private static final int MOST_BYTES = 1 << 30;

  /** The longest side of a picture that is read. */
  private static final int MOST_RESIZE = 1 << 26;

  /**
   * Checks the options.
   *
   * @param shape as above
   * @param resize as above
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public PictureReader {
    check("PictureReader", shape, resize);
  }

  static void check(String function, ImageShape shape, int resize) {
    Arguments.notNull(shape, function, "shape");
    Arguments.check(
        shape.channels() == 1 || shape.channels() == 3,
        "%s: shape.channels must be 1 or 3 (got %s)",
        function,
        shape.channels());
    int longer = Math.max(shape.height(), shape.width());
    Arguments.check(
        resize == 0 || resize >= longer && resize <= MOST_RESIZE,
        "%s: resize must be 0 or between %s and %s (got %s)",
        function,
        longer,
        MOST_RESIZE,
        resize);
  }

  /**
   * Creates a reader of pictures at the smallest size that covers a shape.
   *
   * @param shape the shape of the pictures read, with one or three channels
   * @return the reader
   * @throws IllegalArgumentException if the shape is null or has another number of channels
   */
  public static PictureReader of(ImageShape shape) {
    return new PictureReader(shape, 0);
  }

  /**
   * Sets the size that pictures are scaled to, for example 256 for centre crops of 224 × 224
   * pixels.
   *
   * @param resize length in pixels of the shorter side, or 0 for the smallest that covers the shape
   * @return a changed copy
   * @throws IllegalArgumentException if the length is out of range
   */
  public PictureReader withResize(int resize) {
    check("PictureReader.withResize", shape, resize);
    return new PictureReader(shape, resize);
  }

  /**
   * Reads a file.
   *
   * @param file the file to read, in any file system
   * @return the values, [C, H, W], each from 0 to 1
   * @throws IllegalArgumentException if it is null
   * @throws FileException if the file is missing, can't be read, is damaged or is not a picture, or
   *     a library is missing
   */
  public float[] read(Path file) {
    return read(DataFile.of(READ, file));
  }

  /**
   * Appends the values of a file to a buffer.
   *
   * @param file the file to read, in any file system
   * @param image where to put them, [C, H, W]; its position moves on by the number of values
   * @throws IllegalArgumentException if an argument is null, or there is no room
   * @throws FileException as for {@link #read(Path)}
   */
  public void read(Path file, FloatBuffer image) {
    DataFile checked = DataFile.of(READ, file);
    BytePixels.requireRoom(image, shape.values());
    image.put(read(checked));
  }

  /**
   * Reads a stream to its end.
   *
   * @param content the content of a file; stays open
   * @param name of the file, for messages
   * @return the values, [C, H, W], each from 0 to 1
   * @throws IllegalArgumentException if an argument is null
   * @throws FileException as for {@link #read(Path)}
   */
  public float[] read(InputStream content, String name) {
    Arguments.notNull(content, READ, "content");
    Arguments.notNull(name, READ, "name");
    return read(new Origin(READ, name), content);
  }

  /**
   * Reads the content of a file.
   *
   * @param content all its bytes
   * @return the values, [C, H, W], each from 0 to 1
   * @throws IllegalArgumentException if it is null
   * @throws FileException as for {@link #read(Path)}
   */
  public float[] read(byte[] content) {
    Arguments.notNull(content, READ, "content");
    return values(new Origin(READ, content.length + " bytes"), content);
  }

  private float[] read(DataFile file) {
    return values(file.origin(), content(file, file::unreadable));
  }

  /** Returns all bytes of a file; {@code failure} makes the exception if they can't be read. */
  static byte[] content(DataFile file, Function<IOException, FileException> failure) {
    try (InputStream content = Files.newInputStream(file.path())) {
      return content(file.origin(), content);
    } catch (IOException e) {
      throw failure.apply(e);
    }
  }

  private float[] read(Origin origin, InputStream content) {
    try {
      return values(origin, content(origin, content));
    } catch (IOException e) {
      throw origin.unreadable(e);
    }
  }

  private static byte[] content(Origin origin, InputStream stream) throws IOException {
    byte[] content = stream.readNBytes(MOST_BYTES);
    if (content.length == MOST_BYTES) {
      throw origin.damaged("the file", "have less than 1 GiB", "more");
    }
    return content;
  }

  /** Returns the values of a file's content. */
  float[] values(Origin origin, byte[] content) {
    requireLibrary(origin.function());
    Picture picture = PictureDecoder.decode(origin, content);
    return fitted(shape.channels() == 1 ? picture.grey() : picture).values(shape.channels());
  }

  /** Requires the library that Orientation needs, which an application may have left out. */
  static void requireLibrary(String function) {
    try {
      Class.forName("com.drew.metadata.Metadata", false, PictureReader.class.getClassLoader());
    } catch (ClassNotFoundException e) {
      throw new FileException(
          function
              + ": com.drewnoakes:metadata-extractor must be on the class path to read images"
              + " (got none)",
          e);
    }
  }

  private Picture fitted(Picture picture) {
    int height = picture.height();
    int width = picture.width();
    if (resize == 0) {
      double scale = Math.max((double) shape.height() / height, (double) shape.width() / width);
      return picture.scaled(
          Math.max(shape.height(), scaled(scale, height)),
          Math.max(shape.width(), scaled(scale, width)),
          shape.height(),
          shape.width());
    }
    int shorter = Math.min(height, width);
    return picture.scaled(
        longer(height, shorter), longer(width, shorter), shape.height(), shape.width());
  }

  private static int scaled(double scale, int side) {
    return (int) Math.min(Integer.MAX_VALUE, Math.round(scale * side));
  }

  /** Returns a side's length once the shorter one is resized, rounded down as in torchvision. */
  private int longer(int side, int shorter) {
    return (int) Math.min(Integer.MAX_VALUE, (long) resize * side / shorter);
  }
}
