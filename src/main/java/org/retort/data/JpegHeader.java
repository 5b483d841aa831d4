package org.retort.data;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.imageio.stream.ImageInputStream;

/**
 * The components that a JPEG file declares, some kinds of which Java's reader rejects or misreads.
 * Colors are determined and computed as by libjpeg. Four components are inks, taken to be inverted,
 * as Adobe's programs write them, whether the file says so or not, as in Pillow.
 */
final class JpegHeader {
  private static final int START_OF_SCAN = 0xda;
  private static final int JFIF_SEGMENT = 0xe0;
  private static final int ADOBE_SEGMENT = 0xee;

  private boolean isJfif;
  private int adobeTransform = -1; // if not given
  private byte[] components = {}; // their identifiers

  private JpegHeader() {}

  /** Reads a file from its start to the first scan, and restores the position. */
  static JpegHeader read(ImageInputStream in) throws IOException {
    JpegHeader header = new JpegHeader();
    long position = in.getStreamPosition();
    in.seek(Short.BYTES); // after the start marker
    in.setByteOrder(ByteOrder.BIG_ENDIAN);
    for (int marker = marker(in); marker != START_OF_SCAN; marker = marker(in)) {
      byte[] segment = new byte[in.readUnsignedShort() - Short.BYTES];
      in.readFully(segment);
      header.take(marker, segment);
    }
    in.seek(position);
    return header;
  }

  /** Returns the next marker, which any number of fill bytes may precede. */
  private static int marker(ImageInputStream in) throws IOException {
    int value = in.readUnsignedByte();
    while (value != 0xff) {
      value = in.readUnsignedByte();
    }
    while (value == 0xff) {
      value = in.readUnsignedByte();
    }
    return value;
  }

  private void take(int marker, byte[] segment) {
    if (marker == JFIF_SEGMENT && begins(segment, "JFIF\0", 14)) {
      isJfif = true;
    } else if (marker == ADOBE_SEGMENT && begins(segment, "Adobe", 12)) {
      adobeTransform = segment[11] & 0xff;
    } else if (isFrame(marker)) {
      // After precision, height, width and the number of components, three bytes per component.
      components = new byte[segment[5]];
      for (int i = 0; i < components.length; i++) {
        components[i] = segment[6 + 3 * i];
      }
    }
  }

  private static boolean begins(byte[] segment, String name, int leastSize) {
    byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
    return segment.length >= leastSize
        && Arrays.equals(segment, 0, bytes.length, bytes, 0, bytes.length);
  }

  /** Returns whether a segment describes a frame; three of the numbers in the range do not. */
  private static boolean isFrame(int marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
  }

  /** Returns whether only the first component is visible. */
  boolean isGrey() {
    return components.length < 3;
  }

  /** Returns the meaning of the components as they are in the file, unless they are grey. */
  PixelColors colors() {
    if (components.length == 4) {
      return adobeTransform > 0 ? JpegHeader::fromYcck : JpegHeader::fromCmyk;
    }
    return isLuminanceAndChrominance() ? JpegHeader::fromYcc : PixelColors.color(0);
  }

  private boolean isLuminanceAndChrominance() {
    if (isJfif) {
      return true;
    }
    return adobeTransform >= 0
        ? adobeTransform > 0
        : !Arrays.equals(components, new byte[] {'R', 'G', 'B'});
  }

  /** Returns whether the components are luminance and the chrominance of blue and of red. */
  boolean isYcc() {
    return components.length == 3 && isLuminanceAndChrominance();
  }

  /** Converts luminance and chrominance, pixel by pixel, to red, green and blue in place. */
  static void toRgb(byte[] ycc) {
    for (int i = 0; i + 2 < ycc.length; i += 3) {
      int luminance = ycc[i] & 0xff;
      int ofBlue = ycc[i + 1] & 0xff;
      int ofRed = ycc[i + 2] & 0xff;
      ycc[i] = (byte) red(luminance, ofRed);
      ycc[i + 1] = (byte) green(luminance, ofBlue, ofRed);
      ycc[i + 2] = (byte) blue(luminance, ofBlue);
    }
  }

  private static int fromYcc(int[] samples, int at) {
    return PixelColors.pack(
        red(samples[at], samples[at + 2]),
        green(samples[at], samples[at + 1], samples[at + 2]),
        blue(samples[at], samples[at + 1]));
  }

  private static int fromCmyk(int[] samples, int at) {
    int light = samples[at + 3];
    return PixelColors.pack(
        through(255 - samples[at], light),
        through(255 - samples[at + 1], light),
        through(255 - samples[at + 2], light));
  }

  /** Cyan, magenta and yellow are what is left of red, green and blue. */
  private static int fromYcck(int[] samples, int at) {
    int light = samples[at + 3];
    return PixelColors.pack(
        through(red(samples[at], samples[at + 2]), light),
        through(green(samples[at], samples[at + 1], samples[at + 2]), light),
        through(blue(samples[at], samples[at + 1]), light));
  }

  /** Returns how much of the light that black lets through an ink does; all are at most 255. */
  private static int through(int ink, int light) {
    int product = ink * light + 128;
    return light - ((product >> 8) + product >> 8);
  }

  // The factors are 2^16 times 1.402, 0.34414, 0.71414 and 1.772, rounded.

  private static int red(int luminance, int ofRed) {
    return clipped(luminance + (91881 * (ofRed - 128) + 32768 >> 16));
  }

  private static int green(int luminance, int ofBlue, int ofRed) {
    return clipped(luminance + (-22554 * (ofBlue - 128) - 46802 * (ofRed - 128) + 32768 >> 16));
  }

  private static int blue(int luminance, int ofBlue) {
    return clipped(luminance + (116130 * (ofBlue - 128) + 32768 >> 16));
  }

  private static int clipped(int value) {
    return Math.max(0, Math.min(255, value));
  }
}
