package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.retort.FileException;

/**
 * A WebP file: a header of 12 bytes and chunks, the first of which describes the others if there
 * are more than the picture.
 */
final class WebpFile {
  private static final String PLUG_IN = "com.twelvemonkeys.imageio:imageio-webp";
  private static final int SIZE_AT = 4;
  private static final int FIRST_CHUNK = 12;
  private static final int FLAGS_AT = 20;
  private static final int HAS_PROFILE = 0x20;
  private static final int IS_ANIMATION = 0x02;

  /** The number of bytes that determine the size. */
  static final int HEADER_BYTES = 30;

  private static final int SIDE_MASK = 0x3fff;

  private WebpFile() {}

  /** Returns the error for a file for which there is no reader. */
  static FileException noReader(Origin origin) {
    return new FileException(
        origin.function()
            + ": "
            + PLUG_IN
            + " must be on the class path to read WebP (got none, for "
            + origin.name()
            + ")",
        null);
  }

  /**
   * Requires a whole file, as the plug-in would leave missing parts black, and a single picture.
   * Returns the content as if it had no color profile, with which the plug-in would change colors.
   */
  static byte[] checked(Origin origin, byte[] content) {
    ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    long size = 8 + Integer.toUnsignedLong(bytes.getInt(SIZE_AT));
    if (size > content.length) {
      throw origin.damaged(
          "the file", "have " + size + " bytes", "its end at byte " + content.length);
    }
    if (content.length <= FLAGS_AT || bytes.getInt(FIRST_CHUNK) != fourLetters("VP8X")) {
      return content;
    }
    if ((content[FLAGS_AT] & IS_ANIMATION) != 0) {
      throw origin.damaged("the image", "be a single one", "an animation");
    }
    requirePicture(origin, bytes);
    byte[] plain = content.clone();
    plain[FLAGS_AT] &= ~HAS_PROFILE;
    return plain;
  }

  /** Returns the size of the picture, from the first bytes of a file. */
  static PictureSize size(byte[] header) {
    ByteBuffer bytes = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    int kind = bytes.getInt(FIRST_CHUNK);
    if (kind == fourLetters("VP8X")) {
      return new PictureSize(1 + (bytes.getInt(23) >>> 8), 1 + (bytes.getInt(26) >>> 8));
    }
    if (kind == fourLetters("VP8L")) {
      int sides = bytes.getInt(21);
      return new PictureSize(1 + (sides & SIDE_MASK), 1 + (sides >>> 14 & SIDE_MASK));
    }
    return new PictureSize(bytes.getShort(26) & SIDE_MASK, bytes.getShort(28) & SIDE_MASK);
  }

  private static void requirePicture(Origin origin, ByteBuffer bytes) {
    long at = FIRST_CHUNK;
    while (at + 8 <= bytes.capacity()) {
      int kind = bytes.getInt((int) at);
      if (kind == fourLetters("VP8 ") || kind == fourLetters("VP8L")) {
        return;
      }
      long size = Integer.toUnsignedLong(bytes.getInt((int) at + 4));
      at += 8 + size + size % 2;
    }
    throw origin.damaged("the file", "have an image", "none");
  }

  private static int fourLetters(String name) {
    return name.charAt(0) | name.charAt(1) << 8 | name.charAt(2) << 16 | name.charAt(3) << 24;
  }
}
