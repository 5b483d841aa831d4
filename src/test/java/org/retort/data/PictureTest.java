package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kind of picture has the values that Pillow gives. */
final class PictureTest {
  private static final int HEIGHT = 8;
  private static final int WIDTH = 16;

  @ParameterizedTest
  @MethodSource("pictures")
  void read_anyKind_hasTheValuesOfPillow(String name, String pixels) throws URISyntaxException {
    ImageShape shape = new ImageShape(3, HEIGHT, WIDTH);
    float[] values = PictureReader.of(shape).read(file(name));
    assertThat(HexFormat.of().formatHex(interleaved(values, shape))).isEqualTo(pixels);
  }

  static Stream<Object[]> pictures() throws IOException, URISyntaxException {
    return Files.readAllLines(file("expected.txt")).stream().map(line -> line.split(" "));
  }

  @ParameterizedTest
  @MethodSource("resized")
  void read_anySize_hasTheValuesOfPillow(String name, int resize, ImageShape shape, String pixels)
      throws URISyntaxException {
    float[] values = PictureReader.of(shape).withResize(resize).read(file(name));
    assertThat(HexFormat.of().formatHex(interleaved(values, shape))).isEqualTo(pixels);
  }

  static Stream<Object[]> resized() throws IOException, URISyntaxException {
    return Files.readAllLines(file("resized.txt")).stream()
        .map(line -> line.split(" "))
        .map(
            fields -> {
              int[] sizes =
                  Stream.of(fields).skip(1).limit(4).mapToInt(Integer::parseInt).toArray();
              ImageShape shape = new ImageShape(sizes[1], sizes[2], sizes[3]);
              return new Object[] {fields[0], sizes[0], shape, fields[5]};
            });
  }

  private static byte[] interleaved(float[] values, ImageShape shape) {
    byte[] pixels = new byte[values.length];
    int channels = shape.channels();
    for (int i = 0; i < pixels.length; i++) {
      float value = values[i % channels * shape.height() * shape.width() + i / channels];
      pixels[i] = (byte) Math.round(255 * value);
      assertThat(value).isEqualTo((pixels[i] & 0xff) / 255f);
    }
    return pixels;
  }

  static Path file(String name) throws URISyntaxException {
    return Path.of(PictureTest.class.getResource("pictures/" + name).toURI());
  }
}
