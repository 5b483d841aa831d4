package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.data.PictureTest.file;
import static org.retort.testing.Failures.assertFileRefused;
import static org.retort.testing.Failures.assertIllegal;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.MalformedURLException;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.ChildJvm;
import org.retort.testing.Threads;

final class PictureReaderTest {
  private static final PictureReader READER = PictureReader.of(new ImageShape(3, 5, 6));

  @TempDir private Path folder;

  @Test
  void read_fileStreamBytesOrBuffer_areTheSame() throws IOException, URISyntaxException {
    float[] values = READER.read(file("ycc.jpg"));
    assertThat(values).hasSize(90);
    assertThat(READER.read(Files.readAllBytes(file("ycc.jpg")))).isEqualTo(values);
    boolean[] closed = {false};
    try (InputStream stream =
        new FilterInputStream(Files.newInputStream(file("ycc.jpg"))) {
          @Override
          public void close() throws IOException {
            closed[0] = true;
            super.close();
          }
        }) {
      assertThat(READER.read(stream, "upload")).isEqualTo(values);
      assertThat(closed[0]).isFalse();
    }
    FloatBuffer buffer = FloatBuffer.allocate(100).position(3);
    READER.read(file("ycc.jpg"), buffer);
    assertThat(buffer.position()).isEqualTo(93);
    assertThat(Arrays.copyOfRange(buffer.array(), 3, 93)).isEqualTo(values);
  }

  @Test
  void read_contentThatItsNameHides_isReadForWhatItIs() throws IOException, URISyntaxException {
    Path misnamed = Files.copy(file("rgb.webp"), folder.resolve("image.jpg"));
    assertThat(READER.read(misnamed)).isEqualTo(READER.read(file("rgb.webp")));
  }

  @Test
  void read_manyThreads_getTheSame() throws Exception {
    List<String> names = List.of("ycc.jpg", "rgb_linear.png", "rgb.webp", "turned_6.jpg");
    List<float[]> expected = names.stream().map(PictureReaderTest::values).toList();
    Threads.Task task =
        () -> {
          for (int i = 0; i < 40; i++) {
            int name = ThreadLocalRandom.current().nextInt(names.size());
            assertThat(values(names.get(name))).isEqualTo(expected.get(name));
          }
        };
    Threads.runAll(task, task, task, task);
  }

  private static float[] values(String name) {
    try {
      return READER.read(file(name));
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void read_veryLongPicture_isScaled() throws IOException {
    BufferedImage line = new BufferedImage(30_000, 1, BufferedImage.TYPE_BYTE_GRAY);
    for (int x = 0; x < line.getWidth(); x++) {
      line.getRaster().setSample(x, 0, 0, x < 15_000 ? 0 : 255);
    }
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    ImageIO.write(line, "png", file);
    PictureReader reader = PictureReader.of(new ImageShape(1, 100_000, 2));
    float[] values = reader.read(file.toByteArray());
    for (int i = 0; i < values.length; i++) {
      assertThat(values[i]).isBetween(i % 2 == 0 ? 0 : 0.5f, i % 2 == 0 ? 0.5f : 1);
    }
  }

  @Test
  void read_moreThan64Megapixels_isRefusedByItsHeader() throws IOException {
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    ImageIO.write(new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB), "png", png);
    ByteBuffer header = ByteBuffer.wrap(png.toByteArray());
    header.putInt(16, 8192).putInt(20, 8193);
    CRC32 checksum = new CRC32();
    checksum.update(header.slice(12, 17));
    header.putInt(29, (int) checksum.getValue());
    assertFileRefused(
        () -> READER.read(header.array()),
        "PictureReader.read: the image of 69 bytes must have at most 67108864 pixels (got 67117056)");
  }

  @Test
  void read_whatIsNoWholePicture_isRefused() throws IOException, URISyntaxException {
    assertFileRefused(
        () -> READER.read(folder.resolve("none.jpg")),
        "PictureReader.read: file must exist (got " + folder.resolve("none.jpg") + ")");
    assertFileRefused(
        () -> READER.read(new byte[3]),
        "PictureReader.read: the content at byte 0 of 3 bytes must be a JPEG, PNG or WebP image"
            + " (got something else)");
    assertFileRefused(
        () -> READER.read(new ByteArrayInputStream(new byte[3]), "two\nlines"),
        "PictureReader.read: the content at byte 0 of two?lines must be a JPEG, PNG or WebP image"
            + " (got something else)");
    byte[] webp = Files.readAllBytes(file("turned.webp"));
    assertFileRefused(
        () -> READER.read(Arrays.copyOf(webp, webp.length - 1)),
        "PictureReader.read: the file of %d bytes must have %d bytes (got its end at byte %d)"
            .formatted(webp.length - 1, webp.length, webp.length - 1));
    byte[] animation = webp.clone();
    animation[20] |= 2;
    assertFileRefused(
        () -> READER.read(animation),
        "PictureReader.read: the image of %d bytes must be a single one (got an animation)"
            .formatted(webp.length));
    byte[] empty = webp.clone();
    empty[30] = 'v'; // no chunk of an image is left
    assertFileRefused(
        () -> READER.read(empty),
        "PictureReader.read: the file of %d bytes must have an image (got none)"
            .formatted(webp.length));
    assertFileRefused(
        () ->
            READER.read(
                new InputStream() {
                  @Override
                  public int read() throws IOException {
                    throw new IOException("reset by peer");
                  }
                },
                "upload"),
        "PictureReader.read: upload must be readable (got reset by peer)");
  }

  @Test
  void read_pluginForJpeg_isNotAsked() throws URISyntaxException {
    float[] expected = READER.read(file("ycc.jpg"));
    IIORegistry plugins = IIORegistry.getDefaultInstance();
    ImageReaderSpi other = new BlackReaders();
    plugins.registerServiceProvider(other, ImageReaderSpi.class);
    Iterator<ImageReaderSpi> all = plugins.getServiceProviders(ImageReaderSpi.class, true);
    all.forEachRemaining(
        spi -> {
          if (spi != other) {
            plugins.setOrdering(ImageReaderSpi.class, other, spi);
          }
        });
    try {
      assertThat(ImageIO.getImageReadersByFormatName("jpg").next()).isInstanceOf(BlackReader.class);
      assertThat(READER.read(file("ycc.jpg"))).isEqualTo(expected);
    } finally {
      plugins.deregisterServiceProvider(other);
    }
  }

  @Test
  void read_webpWithoutPlugin_namesIt() throws URISyntaxException {
    IIORegistry plugins = IIORegistry.getDefaultInstance();
    ImageReaderSpi webp =
        ImageIO.getImageReadersByFormatName("webp").next().getOriginatingProvider();
    plugins.deregisterServiceProvider(webp);
    try {
      assertFileRefused(
          () -> READER.read(file("rgb.webp")),
          "PictureReader.read: com.twelvemonkeys.imageio:imageio-webp must be on the class path to"
              + " read WebP (got none, for "
              + file("rgb.webp")
              + ")");
    } finally {
      plugins.registerServiceProvider(webp);
    }
  }

  @Test
  void read_withoutMetadataExtractor_namesIt() throws Exception {
    URL[] classes =
        Stream.of(ChildJvm.classPath().split(File.pathSeparator))
            .filter(entry -> !entry.contains("metadata-extractor"))
            .map(PictureReaderTest::url)
            .toArray(URL[]::new);
    try (URLClassLoader loader =
        new URLClassLoader(classes, ClassLoader.getPlatformClassLoader())) {
      Method read =
          loader
              .loadClass(WithoutMetadataExtractor.class.getName())
              .getMethod("message", String.class);
      for (String folder : List.of("", this.folder.toString())) {
        assertThat(read.invoke(null, folder))
            .isEqualTo(
                (folder.isEmpty() ? "PictureReader.read" : "ImageFolder.open")
                    + ": com.drewnoakes:metadata-extractor must be on the class path to read"
                    + " images (got none)");
      }
    } catch (InvocationTargetException e) {
      throw new AssertionError(e.getCause());
    }
  }

  private static URL url(String entry) {
    try {
      return new File(entry).toURI().toURL();
    } catch (MalformedURLException e) {
      throw new AssertionError(e);
    }
  }

  /** What runs where the library is missing. */
  public static final class WithoutMetadataExtractor {
    private WithoutMetadataExtractor() {}

    /** Returns what a reader says, or an image folder if one is given. */
    public static String message(String folder) {
      try {
        if (folder.isEmpty()) {
          READER.read(new byte[] {-1, -40, -1});
        } else {
          ImageFolder.open(Path.of(folder), READER.shape());
        }
      } catch (RuntimeException e) {
        return e.getMessage();
      }
      return "nothing";
    }
  }

  @Test
  void options_outOfRange_throw() {
    assertIllegal(() -> PictureReader.of(null), "PictureReader: shape must be given (got null)");
    assertIllegal(
        () -> PictureReader.of(new ImageShape(2, 4, 4)),
        "PictureReader: shape.channels must be 1 or 3 (got 2)");
    assertThat(READER.withResize(6)).isNotNull();
    assertThat(READER.withResize(67_108_864)).isNotNull();
    assertIllegal(
        () -> READER.withResize(67_108_865),
        "PictureReader.withResize: resize must be 0 or between 6 and 67108864 (got 67108865)");
    assertIllegal(
        () -> READER.withResize(5),
        "PictureReader.withResize: resize must be 0 or between 6 and 67108864 (got 5)");
    assertIllegal(
        () -> READER.read((Path) null), "PictureReader.read: file must be given (got null)");
    assertIllegal(
        () -> READER.read((byte[]) null), "PictureReader.read: content must be given (got null)");
    assertIllegal(
        () -> READER.read(null, ""), "PictureReader.read: content must be given (got null)");
    assertIllegal(
        () -> READER.read(InputStream.nullInputStream(), null),
        "PictureReader.read: name must be given (got null)");
  }

  /** Another library's reader of JPEG, which comes first. */
  private static final class BlackReaders extends ImageReaderSpi {
    BlackReaders() {
      super(
          "nobody",
          "1",
          new String[] {"jpg", "jpeg", "JPEG"},
          new String[] {"jpg"},
          new String[] {"image/jpeg"},
          BlackReader.class.getName(),
          new Class<?>[] {Object.class},
          null,
          false,
          null,
          null,
          null,
          null,
          false,
          null,
          null,
          null,
          null);
    }

    @Override
    public boolean canDecodeInput(Object source) {
      return true;
    }

    @Override
    public ImageReader createReaderInstance(Object extension) {
      return new BlackReader(this);
    }

    @Override
    public String getDescription(Locale locale) {
      return "black";
    }
  }

  /** Whatever the file, the picture is black. */
  private static final class BlackReader extends ImageReader {
    BlackReader(ImageReaderSpi provider) {
      super(provider);
    }

    @Override
    public int getNumImages(boolean allowSearch) {
      return 1;
    }

    @Override
    public int getWidth(int index) {
      return 16;
    }

    @Override
    public int getHeight(int index) {
      return 8;
    }

    @Override
    public Iterator<ImageTypeSpecifier> getImageTypes(int index) {
      return List.of(ImageTypeSpecifier.createFromBufferedImageType(BufferedImage.TYPE_INT_RGB))
          .iterator();
    }

    @Override
    public IIOMetadata getStreamMetadata() {
      return null;
    }

    @Override
    public IIOMetadata getImageMetadata(int index) {
      return null;
    }

    @Override
    public BufferedImage read(int index, ImageReadParam param) {
      return new BufferedImage(16, 8, BufferedImage.TYPE_INT_RGB);
    }
  }
}
