package org.retort.data;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.IOException;
import java.util.Arrays;
import java.util.stream.IntStream;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.jspecify.annotations.Nullable;
import org.retort.FileException;

/** Decodes files to the same pictures as Pillow. */
final class PictureDecoder {
  private static final long MOST_PIXELS = 1 << 26;

  /** Part of libjpeg's warning when it fills in what is missing from a file. */
  private static final String CUT_SHORT = "remature end";

  private final Origin origin;
  private final byte[] content;
  private @Nullable String cut; // the reader's warning about a file that is not whole

  private PictureDecoder(Origin origin, byte[] content) {
    this.origin = origin;
    this.content = content;
  }

  /** Decodes the whole content of a file, and applies the orientation of its camera. */
  static Picture decode(Origin origin, byte[] content) {
    PictureFormat format =
        PictureFormat.of(content)
            .orElseThrow(
                () ->
                    origin.damagedAt(
                        0, "the content", "be a JPEG, PNG or WebP image", "something else"));
    int orientation = Orientation.of(format, content);
    return new PictureDecoder(origin, content).decode(format).turned(orientation);
  }

  private Picture decode(PictureFormat format) {
    ImageReader reader = format.reader().orElseThrow(() -> WebpFile.noReader(origin));
    byte[] shown = format == PictureFormat.WEBP ? WebpFile.checked(origin, content) : content;
    try (ImageInputStream in = new PictureInput(shown)) {
      return decode(format, in, reader);
    } catch (IOException e) {
      throw origin.unreadable(e);
    } finally {
      reader.dispose();
    }
  }

  private Picture decode(PictureFormat format, ImageInputStream in, ImageReader reader)
      throws IOException {
    reader.addIIOReadWarningListener(
        (source, warning) -> cut = warning.contains(CUT_SHORT) ? warning : cut);
    try {
      reader.setInput(in, true, true);
      long pixels = (long) reader.getWidth(0) * reader.getHeight(0);
      if (pixels > MOST_PIXELS) {
        throw origin.damaged("the image", "have at most " + MOST_PIXELS + " pixels", "" + pixels);
      }
      Picture picture = format == PictureFormat.JPEG ? jpeg(in, reader) : other(reader);
      if (cut != null) {
        throw damaged(in, cut);
      }
      return picture;
    } catch (FileException e) {
      throw e;
    } catch (IOException | RuntimeException e) { // readers fail in many ways on damaged files
      throw damaged(in, String.valueOf(e.getMessage()));
    }
  }

  private FileException damaged(ImageInputStream in, String reason) throws IOException {
    return origin.damagedAt(
        in.getStreamPosition(), "the image", "be whole", reason.lines().findFirst().orElse(""));
  }

  private static Picture jpeg(ImageInputStream in, ImageReader reader) throws IOException {
    Raster raster = reader.readRaster(0, null); // without Java's color conversion
    JpegHeader header = JpegHeader.read(in);
    if (header.isGrey()) {
      return grey(raster);
    }
    if (header.isYcc() && isPixelByPixel(raster)) { // nearly always: the fastest way
      byte[] samples = ((DataBufferByte) raster.getDataBuffer()).getData();
      JpegHeader.toRgb(samples);
      return new Picture(3, raster.getHeight(), raster.getWidth(), samples);
    }
    return colored(raster, header.colors());
  }

  private static Picture other(ImageReader reader) throws IOException {
    BufferedImage decoded = reader.read(0);
    Raster raster = decoded.getRaster();
    boolean isGrey =
        raster.getNumBands() <= 2 && !(decoded.getColorModel() instanceof IndexColorModel);
    return isGrey ? grey(raster) : colored(raster, PixelColors.of(decoded));
  }

  /** Takes the upper eight bits of each pixel's first sample. */
  private static Picture grey(Raster raster) {
    int shift = raster.getSampleModel().getSampleSize(0) - Byte.SIZE;
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    byte[] grey = new byte[raster.getHeight() * width];
    int[] row = new int[width * bands];
    for (int y = 0; y < raster.getHeight(); y++) {
      readRow(raster, y, row);
      for (int x = 0; x < width; x++) {
        grey[y * width + x] = (byte) (row[x * bands] >>> shift);
      }
    }
    return new Picture(1, raster.getHeight(), width, grey);
  }

  private static Picture colored(Raster raster, PixelColors colors) {
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    byte[] samples = new byte[raster.getHeight() * width * 3];
    int[] row = new int[width * bands];
    int at = 0;
    for (int y = 0; y < raster.getHeight(); y++) {
      readRow(raster, y, row);
      for (int x = 0; x < width; x++) {
        int rgb = colors.rgb(row, x * bands);
        samples[at++] = (byte) (rgb >> 16);
        samples[at++] = (byte) (rgb >> 8);
        samples[at++] = (byte) rgb;
      }
    }
    return new Picture(3, raster.getHeight(), width, samples);
  }

  /** Reads the samples of a row, pixel by pixel. */
  private static void readRow(Raster raster, int y, int[] row) {
    if (isPixelByPixel(raster)) {
      // What getPixels does, in a fifth of the time.
      byte[] samples = ((DataBufferByte) raster.getDataBuffer()).getData();
      for (int i = 0; i < row.length; i++) {
        row[i] = samples[y * row.length + i] & 0xff;
      }
    } else {
      raster.getPixels(0, y, raster.getWidth(), 1, row);
    }
  }

  /** Returns whether the raster's array is its bytes, [height, width, bands], and nothing else. */
  private static boolean isPixelByPixel(Raster raster) {
    int bands = raster.getNumBands();
    return raster.getParent() == null
        && raster.getDataBuffer() instanceof DataBufferByte buffer
        && buffer.getOffset() == 0
        && buffer.getData().length == raster.getHeight() * raster.getWidth() * bands
        && raster.getSampleModel() instanceof PixelInterleavedSampleModel model
        && model.getPixelStride() == bands
        && model.getScanlineStride() == bands * raster.getWidth()
        && Arrays.equals(model.getBandOffsets(), IntStream.range(0, bands).toArray());
  }
}
