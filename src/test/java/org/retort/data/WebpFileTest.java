package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertFileRefused;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Chunks before the picture, which {@link PictureTest} decodes. */
final class WebpFileTest {
  private static final Origin ORIGIN = new Origin("read", "a.webp");

  @Test
  void checked_chunksOfAnySize_areSkipped() {
    byte[] file = file(chunk("VP8X", 10), chunk("ICCP", 5), chunk("EXIF", 2), chunk("VP8L", 0));
    assertThat(WebpFile.checked(ORIGIN, file)).isEqualTo(file);
  }

  @Test
  void checked_noPicture_isRefused() {
    byte[] file = file(chunk("VP8X", 10), chunk("ICCP", 5));
    assertFileRefused(
        () -> WebpFile.checked(ORIGIN, file),
        "read: the file of a.webp must have an image (got none)");
  }

  /** Chunks are padded to an even size. */
  private static byte[] chunk(String kind, int size) {
    return ByteBuffer.allocate(8 + size + size % 2)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put(kind.getBytes(StandardCharsets.US_ASCII))
        .putInt(size)
        .array();
  }

  private static byte[] file(byte[]... chunks) {
    ByteBuffer file = ByteBuffer.allocate(100).order(ByteOrder.LITTLE_ENDIAN);
    file.position(12);
    for (byte[] chunk : chunks) {
      file.put(chunk);
    }
    int size = file.position();
    file.putInt(4, size - 8);
    byte[] content = new byte[size];
    file.get(0, content);
    return content;
  }
}
