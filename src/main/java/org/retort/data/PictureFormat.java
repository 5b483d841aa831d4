package org.retort.data;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Spliterators;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;

/** The supported picture formats. */
enum PictureFormat {
  JPEG("\u00ff\u00d8\u00ff", "jpg", "jpeg"),
  PNG("\u0089PNG\r\n\u001a\n", "png"),
  WEBP("RIFF****WEBP", "webp");

  private final String magic; // one character per byte, * for any
  private final List<String> endings;

  PictureFormat(String magic, String... endings) {
    this.magic = magic;
    this.endings = List.of(endings);
  }

  /** Returns the format of a file, from its first bytes. */
  static Optional<PictureFormat> of(byte[] content) {
    return Arrays.stream(values()).filter(format -> format.begins(content)).findFirst();
  }

  private boolean begins(byte[] content) {
    return content.length >= magic.length()
        && IntStream.range(0, magic.length())
            .allMatch(i -> magic.charAt(i) == '*' || magic.charAt(i) == (content[i] & 0xff));
  }

  /** Returns the format that the extension of a file's name stands for. */
  static Optional<PictureFormat> named(String fileName) {
    String ending = fileName.substring(fileName.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return Arrays.stream(values()).filter(format -> format.endings.contains(ending)).findFirst();
  }

  /**
   * Creates a reader, the JDK's if it has one: a plug-in on the class path must not change the
   * pixels of formats that can be read without it. Empty if there is no reader for the format.
   */
  Optional<ImageReader> reader() {
    return readers()
        .min(
            Comparator.comparing((ImageReader reader) -> !isOfTheJdk(reader))
                .thenComparing(reader -> reader.getClass().getName()));
  }

  private Stream<ImageReader> readers() {
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(endings.get(0));
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(readers, 0), false);
  }

  private static boolean isOfTheJdk(ImageReader reader) {
    return reader.getClass().getModule() == ImageIO.class.getModule();
  }
}
