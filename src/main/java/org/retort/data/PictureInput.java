package org.retort.data;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * The bytes of a picture, for a reader that must not keep asking for more: the WebP reader goes on
 * for minutes if a damaged header announces more pixels than there are.
 */
final class PictureInput extends MemoryCacheImageInputStream {
  /** Readers look ahead by a few bytes. */
  private static final int MOST_BEYOND = 1 << 10;

  private int beyond; // how often there was nothing left

  PictureInput(byte[] content) {
    super(new ByteArrayInputStream(content));
  }

  @Override
  public int read() throws IOException {
    return counted(super.read());
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    return counted(super.read(bytes, offset, length));
  }

  private int counted(int read) throws IOException {
    if (read < 0 && ++beyond > MOST_BEYOND) {
      throw new IOException("its end, before all pixels");
    }
    return read;
  }
}
