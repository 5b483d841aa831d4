package org.retort.data;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * The information in a file about its picture.
 *
 * @param format of the file
 * @param size as displayed
 * @param isGrey whether it is stored without color
 * @param isTurned whether the camera was not held upright
 */
record PictureInfo(PictureFormat format, PictureSize size, boolean isGrey, boolean isTurned) {
  private static final int UPRIGHT = 1;
  private static final int PNG_COLORS_AT = 25;
  private static final int PNG_GREY = 0;
  private static final int PNG_GREY_WITH_ALPHA = 4;

  /** Decodes the content of a file, which must be whole. */
  static PictureInfo of(Origin origin, byte[] content) {
    Picture picture = PictureDecoder.decode(origin, content);
    PictureFormat format = PictureFormat.of(content).orElseThrow();
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(content))) {
      return new PictureInfo(
          format,
          new PictureSize(picture.width(), picture.height()),
          isGrey(format, in),
          Orientation.of(format, content) != UPRIGHT);
    } catch (IOException e) {
      throw origin.unreadable(e);
    }
  }

  /**
   * Reads the header of a file, ignoring the orientation; empty if it can't be read or is not a
   * picture.
   */
  static Optional<PictureInfo> ofHeader(Path file) {
    try (ImageInputStream in = new MemoryCacheImageInputStream(Files.newInputStream(file))) {
      byte[] first = new byte[WebpFile.HEADER_BYTES];
      in.readFully(first);
      Optional<PictureFormat> format = PictureFormat.of(first);
      if (format.isEmpty()) {
        return Optional.empty();
      }
      boolean isGrey = isGrey(format.get(), in);
      in.seek(0);
      PictureSize size =
          format.get() == PictureFormat.WEBP ? WebpFile.size(first) : size(format.get(), in);
      return Optional.of(new PictureInfo(format.get(), size, isGrey, false));
    } catch (IOException | RuntimeException e) { // readers fail in many ways on damaged files
      return Optional.empty();
    }
  }

  private static PictureSize size(PictureFormat format, ImageInputStream in) throws IOException {
    ImageReader reader = format.reader().orElseThrow();
    try {
      reader.setInput(in, true, true);
      return new PictureSize(reader.getWidth(0), reader.getHeight(0));
    } finally {
      reader.dispose();
    }
  }

  private static boolean isGrey(PictureFormat format, ImageInputStream in) throws IOException {
    return switch (format) {
      case JPEG -> JpegHeader.read(in).isGrey();
      case PNG -> {
        in.seek(PNG_COLORS_AT);
        int colors = in.read();
        yield colors == PNG_GREY || colors == PNG_GREY_WITH_ALPHA;
      }
      case WEBP -> false;
    };
  }
}
