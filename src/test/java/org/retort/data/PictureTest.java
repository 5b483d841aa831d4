package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kind of picture has the values that Pillow's {@code convert("RGB")} gives. */
final class PictureTest {
  private static final int HEIGHT = 8;
  private static final int WIDTH = 16;

  @ParameterizedTest
  @MethodSource("pictures")
  void read_anyKind_hasTheValuesOfPillow(String name, String pixels)
      throws IOException, URISyntaxException {
    FloatBuffer values = FloatBuffer.allocate(3 * HEIGHT * WIDTH);
    Picture.read(new DataFile("PictureTest", file(name))).covering(HEIGHT, WIDTH).append(3, values);
    assertThat(HexFormat.of().formatHex(interleaved(values))).isEqualTo(pixels);
  }

  private static byte[] interleaved(FloatBuffer values) {
    byte[] pixels = new byte[values.capacity()];
    for (int i = 0; i < pixels.length; i++) {
      int from = i % 3 * HEIGHT * WIDTH + i / 3;
      pixels[i] = (byte) Math.round(255 * values.get(from));
    }
    return pixels;
  }

  static Stream<Object[]> pictures() throws IOException, URISyntaxException {
    return Files.readAllLines(file("expected.txt")).stream().map(line -> line.split(" "));
  }

  private static Path file(String name) throws URISyntaxException {
    return Path.of(PictureTest.class.getResource("pictures/" + name).toURI());
  }
}
