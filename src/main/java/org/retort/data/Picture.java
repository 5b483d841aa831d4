package org.retort.data;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.IOException;
import java.io.InputStream;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.retort.FileException;

/** A decoded picture, of eight bits each of red, green and blue. */
final class Picture {
  private static final long MOST_PIXELS = 1 << 26;

  /** What libjpeg warns of when it fills up what is missing of a file. */
  private static final String CUT_SHORT = "remature end";

  private final BufferedImage image;

  private Picture(BufferedImage image) {
    this.image = image;
  }

  static Picture read(DataFile file) {
    try (InputStream content = Files.newInputStream(file.path());
        ImageInputStream in = new MemoryCacheImageInputStream(content)) {
      Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
      ImageReader reader = readers.hasNext() ? readers.next() : null;
      try {
        if (reader == null || !isJpeg(reader) && !isPng(reader)) {
          throw file.damagedAt(0, "the content", "be a JPEG or PNG image", "something else");
        }
        return decode(file, in, reader);
      } finally {
        if (reader != null) {
          reader.dispose();
        }
      }
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  private static Picture decode(DataFile file, ImageInputStream in, ImageReader reader)
      throws IOException {
    String[] cut = {null};
    reader.addIIOReadWarningListener(
        (source, warning) -> cut[0] = warning.contains(CUT_SHORT) ? warning : cut[0]);
    try {
      reader.setInput(in, true, true);
      long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
      if (pixels > MOST_PIXELS) {
        throw file.damaged("the image", "have at most " + MOST_PIXELS + " pixels", "" + pixels);
      }
      Picture picture = isJpeg(reader) ? jpeg(in, reader) : png(reader);
      if (cut[0] != null) {
        throw damaged(file, in, cut[0]);
      }
      return picture;
    } catch (FileException e) {
      throw e;
    } catch (IOException | RuntimeException e) { // readers fail in many ways on damaged files
      throw damaged(file, in, String.valueOf(e.getMessage()));
    }
  }

  private static boolean isJpeg(ImageReader reader) throws IOException {
    return reader.getFormatName().equalsIgnoreCase("jpeg");
  }

  private static boolean isPng(ImageReader reader) throws IOException {
    return reader.getFormatName().equalsIgnoreCase("png");
  }

  private static Picture jpeg(ImageInputStream in, ImageReader reader) throws IOException {
    Raster raster = reader.readRaster(0, null); // without Java's conversion of colors
    return of(raster, JpegHeader.read(in).colors());
  }

  private static Picture png(ImageReader reader) throws IOException {
    BufferedImage decoded = reader.read(0);
    return of(decoded.getRaster(), PixelColors.of(decoded));
  }

  private static FileException damaged(DataFile file, ImageInputStream in, String reason)
      throws IOException {
    return file.damagedAt(
        in.getStreamPosition(), "the image", "be whole", reason.lines().findFirst().orElse(""));
  }

  private static Picture of(Raster raster, PixelColors colors) {
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    int[] samples = new int[width * bands];
    int[] row = new int[width];
    BufferedImage image = new BufferedImage(width, raster.getHeight(), BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < raster.getHeight(); y++) {
      raster.getPixels(0, y, width, 1, samples);
      for (int x = 0; x < width; x++) {
        row[x] = colors.rgb(samples, x * bands);
      }
      image.getRaster().setDataElements(0, y, width, 1, row);
    }
    return new Picture(image);
  }

  /** The picture scaled to cover a size, and cropped around its centre. */
  Picture covering(int height, int width) {
    double scale = Math.max((double) height / image.getHeight(), (double) width / image.getWidth());
    int tall = Math.max(height, (int) Math.round(scale * image.getHeight()));
    int wide = Math.max(width, (int) Math.round(scale * image.getWidth()));
    BufferedImage scaled = image;
    while (scaled.getWidth() != wide || scaled.getHeight() != tall) {
      scaled = scaled(scaled, next(scaled.getWidth(), wide), next(scaled.getHeight(), tall));
    }
    return new Picture(scaled.getSubimage((wide - width) / 2, (tall - height) / 2, width, height));
  }

  /** Enlarging takes one step; made smaller by more than half, pixels would be skipped. */
  private static int next(int size, int wanted) {
    return Math.max(wanted, (size + 1) / 2);
  }

  private static BufferedImage scaled(BufferedImage from, int width, int height) {
    BufferedImage to = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = to.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
      graphics.drawImage(from, 0, 0, width, height, null);
    } finally {
      graphics.dispose();
    }
    return to;
  }

  /** Appends [channels, height, width], grey or red, green and blue. */
  void append(int channels, FloatBuffer values) {
    int width = image.getWidth();
    int height = image.getHeight();
    int[] pixels = image.getRGB(0, 0, width, height, null, 0, width);
    if (channels == 1) {
      for (int pixel : pixels) {
        values.put((0.299f * red(pixel) + 0.587f * green(pixel) + 0.114f * blue(pixel)) / 255f);
      }
      return;
    }
    for (int shift = 16; shift >= 0; shift -= 8) {
      for (int pixel : pixels) {
        values.put((pixel >>> shift & 0xff) / 255f);
      }
    }
  }

  private static int red(int pixel) {
    return pixel >>> 16 & 0xff;
  }

  private static int green(int pixel) {
    return pixel >>> 8 & 0xff;
  }

  private static int blue(int pixel) {
    return pixel & 0xff;
  }
}
