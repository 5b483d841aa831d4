package org.retort.data;

/** A decoded picture of bytes: grey, or red, green and blue. */
final class Picture {
  private static final BytePixels PIXELS = new BytePixels(255);

  private final int channels;
  private final int height;
  private final int width;
  private final byte[] samples; // [height, width, channels]

  Picture(int channels, int height, int width, byte[] samples) {
    this.channels = channels;
    this.height = height;
    this.width = width;
    this.samples = samples;
  }

  int height() {
    return height;
  }

  int width() {
    return width;
  }

  /** Returns the picture oriented for display; orientations are from 1 to 8 as in Exif. */
  Picture turned(int orientation) {
    if (orientation == 1) {
      return this;
    }
    boolean isTransposed = orientation >= 5;
    boolean fromRight = orientation == 2 || orientation == 3 || orientation >= 7;
    boolean fromBottom =
        orientation == 3 || orientation == 4 || orientation >= 6 && orientation < 8;
    int first = (fromBottom ? (height - 1) * width : 0) + (fromRight ? width - 1 : 0);
    int stepX = fromRight ? -1 : 1;
    int stepY = fromBottom ? -width : width;
    int tall = isTransposed ? width : height;
    int wide = isTransposed ? height : width;
    int acrossStep = isTransposed ? stepY : stepX;
    int downStep = isTransposed ? stepX : stepY;
    byte[] turned = new byte[samples.length];
    int to = 0;
    for (int y = 0; y < tall; y++) {
      for (int x = 0; x < wide; x++) {
        int from = (first + y * downStep + x * acrossStep) * channels;
        for (int c = 0; c < channels; c++) {
          turned[to++] = samples[from + c];
        }
      }
    }
    return new Picture(channels, tall, wide, turned);
  }

  /** Returns the picture in grey, as Pillow's {@code convert("L")} computes it. */
  Picture grey() {
    if (channels == 1) {
      return this;
    }
    byte[] grey = new byte[height * width];
    for (int i = 0; i < grey.length; i++) {
      int red = samples[3 * i] & 0xff;
      int green = samples[3 * i + 1] & 0xff;
      int blue = samples[3 * i + 2] & 0xff;
      grey[i] = (byte) (19595 * red + 38470 * green + 7471 * blue + 32768 >> 16);
    }
    return new Picture(1, height, width, grey);
  }

  /** Returns the middle of the picture scaled to {@code tall} and {@code wide}. */
  Picture scaled(int tall, int wide, int keptHeight, int keptWidth) {
    Resampling across = Resampling.of(width, wide, middle(wide, keptWidth), keptWidth);
    Resampling down = Resampling.of(height, tall, middle(tall, keptHeight), keptHeight);
    byte[] narrow = across.ofRows(samples, width, channels, down.first(), down.end());
    return new Picture(
        channels, keptHeight, keptWidth, down.ofColumns(narrow, keptWidth * channels));
  }

  /**
   * Returns where the middle begins, rounded as in torchvision's {@code CenterCrop}: half to even.
   */
  private static int middle(int size, int kept) {
    int both = size - kept;
    return both % 4 == 3 ? both / 2 + 1 : both / 2;
  }

  /**
   * Returns the values, [channels, height, width]; grey may be repeated for red, green and blue.
   */
  float[] values(int wantedChannels) {
    int plane = height * width;
    float[] values = new float[wantedChannels * plane];
    for (int c = 0; c < wantedChannels; c++) {
      int from = c % channels;
      for (int i = 0; i < plane; i++) {
        values[c * plane + i] = PIXELS.value(samples[i * channels + from]);
      }
    }
    return values;
  }
}
