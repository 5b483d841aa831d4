package org.retort.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.retort.Retort;
import org.retort.bindings.global.environment;
import org.retort.bindings.global.retort;
import org.retort.models.Mlp;
import org.retort.models.MobileNetV2;
import org.retort.models.Networks;
import org.retort.models.ResNet;
import org.retort.models.ShuffleNetV1;
import org.retort.models.ShuffleNetV2;
import org.retort.models.TorchScriptNetwork;
import org.retort.models.Vgg;
import org.retort.models.WideResNet;
import org.retort.testing.ChildJvm;
import org.retort.testing.Jdks;

/** Loading in class loaders and processes of its own, where nothing is loaded yet. */
final class NativeLibraryTest {
  private static final String PLATFORM = "org.bytedeco.javacpp.platform";
  private static final String NATIVES =
      "linux-x86_64" + System.getProperty(PLATFORM + ".extension", "");

  @TempDir private Path folder;

  @Test
  void load_secondClassLoader_works() throws Exception {
    try (URLClassLoader loader = loader(entry -> true)) {
      Class<?> retort = loader.loadClass(Retort.class.getName());
      assertThat(retort).isNotSameAs(Retort.class);
      assertThat(retort.getMethod("version").invoke(null)).isEqualTo(Retort.version());
      assertThat(retort.getMethod("isAvailable").invoke(null)).isEqualTo(true);
      assertThat(retort.getMethod("unavailabilityCause").invoke(null)).isNull();
    }
  }

  @Test
  void load_noNatives_saysWhatIsMissing() throws Exception {
    assertThat(obstacle(entry -> !entry.contains("linux-x86_64")))
        .startsWith(
            "Retort: class path must have the linux-x86_64 artifacts of retort, pytorch 2.10,"
                + " openblas and javacpp"
                + (NATIVES.endsWith("-gpu")
                    ? ", of the first two those with -gpu, and CUDA's libraries be found"
                    : "")
                + " (got ");
  }

  @Test
  void load_otherPlatform_saysSo() throws Exception {
    System.setProperty(PLATFORM, "linux-arm64");
    try {
      assertThat(obstacle(entry -> true))
          .isEqualTo("Retort: platform must be linux-x86_64 (got linux-arm64)");
    } finally {
      System.clearProperty(PLATFORM);
    }
  }

  /** Whatever is used first or next, and in whatever way. */
  @Test
  void load_failed_everyUseSaysTheSame() throws Exception {
    System.setProperty(PLATFORM, "linux-arm64");
    try (URLClassLoader loader = loader(entry -> true)) {
      Class<?> uses = loader.loadClass(Uses.class.getName());
      for (int round = 0; round < 2; round++) {
        for (int i = 0; i < Uses.ALL.size(); i++) {
          int use = i;
          assertThatThrownBy(() -> uses.getMethod("call", int.class).invoke(null, use))
              .isInstanceOf(InvocationTargetException.class)
              .cause()
              .as("use %s", use)
              .isExactlyInstanceOf(UnsatisfiedLinkError.class)
              .hasMessage("Retort: platform must be linux-x86_64 (got linux-arm64)");
        }
      }
    } finally {
      System.clearProperty(PLATFORM);
    }
  }

  /** What needs the natives, called where there are none. */
  public static final class Uses {
    static final List<Runnable> ALL =
        List.of(
            () -> ResNet.cifar(8, 3),
            () -> Mlp.of(2, 3),
            () -> Vgg.cifar(8, 3),
            () -> WideResNet.cifar(10, 1, 3),
            () -> MobileNetV2.cifar(3),
            () -> ResNet.imageNet(18, 3),
            () -> MobileNetV2.imageNet(3),
            () -> ShuffleNetV1.cifar(3),
            () -> ShuffleNetV2.cifar(3),
            Networks::names,
            () -> Networks.create("resnet8", 3, 3),
            () -> TorchScriptNetwork.load(anyFile()),
            Retort::version,
            Retort::threads,
            () -> Retort.threads(1),
            () -> Retort.manualSeed(1),
            Retort::releaseMemory,
            Retort::isCudaAvailable,
            Retort::requireCuda,
            Retort::cpuKernels);

    private Uses() {}

    /** Calls one of them. */
    public static void call(int use) {
      ALL.get(use).run();
    }

    private static Path anyFile() {
      return Path.of("/proc/self/maps");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "org.bytedeco, pytorch, org/bytedeco/pytorch/%s/libjnitorch.so",
    "org.bytedeco, pytorch, org/bytedeco/pytorch/global/torch.class",
    "org.bytedeco, javacpp, org/bytedeco/javacpp/Loader.class",
    "org.retort, retort, org/retort/%s/libjniretort.so"
  })
  void load_jarOfAnotherVersion_namesBoth(String group, String artifact, String file)
      throws Exception {
    byte[] content =
        file.endsWith(".class")
            ? getClass().getResourceAsStream("/" + file).readAllBytes()
            : new byte[0];
    Path jar =
        jar(
            Map.of(
                String.format(file, NATIVES),
                content,
                "META-INF/maven/" + group + "/" + artifact + "/pom.properties",
                "version=9.8.7-6\n".getBytes()));
    assertThat(obstacle(entry -> true, jar))
        .startsWith(
            "Retort: "
                + artifact
                + " must have the version "
                + builtWith().getProperty(artifact)
                + " (got 9.8.7-6 in other.jar): ");
  }

  /** In a folder there are no properties of Maven's. */
  @Test
  void load_nativesOfAnotherVersionThatNoJarNames_namesBoth() throws Exception {
    Path file = folder.resolve("org/retort/internal/versions.properties");
    Files.createDirectories(file.getParent());
    Properties versions = builtWith();
    versions.setProperty("retort", "9.8.7-SNAPSHOT");
    try (OutputStream output = Files.newOutputStream(file)) {
      versions.store(output, null);
    }
    assertThat(obstacle(entry -> true, folder))
        .startsWith(
            "Retort: retort must have the version 9.8.7-SNAPSHOT (got "
                + Retort.version()
                + " in libretort.so): ");
  }

  @Test
  void checkLibTorch_otherMinorVersion_isRefused() throws Exception {
    Retort.version();
    try (BytePointer pointer = torch.show_config()) {
      String loaded = pointer.getString();
      Function<String, String> of =
          version -> loaded.replaceFirst("TORCH_VERSION=[^,]*", "TORCH_VERSION=" + version);
      String expected = builtWith().getProperty("pytorch");
      String minor = expected.replaceFirst("\\.\\d+-.*", "");

      NativeVersions.checkLibTorch(loaded);
      NativeVersions.checkLibTorch(of.apply(minor + ".9"));
      assertThatThrownBy(() -> NativeVersions.checkLibTorch(of.apply("2.1.0")))
          .hasMessageStartingWith(
              "pytorch must have the version " + expected + " (got 2.1.0 in libtorch_cpu.so): ");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"libc10.so", "libretort.so.0.1"})
  void load_besideAnotherCopy_namesIt(String name) throws Exception {
    Path copy = Files.createDirectory(folder.resolve("other")).resolve(name);
    Files.copy(mapped(name), copy);
    List<String> loadedBefore = new ArrayList<>();
    if (name.startsWith("libretort")) {
      loadedBefore.add(mapped("libc10.so").toString());
      loadedBefore.add(mapped("libtorch_cpu.so").toString());
    }
    loadedBefore.add(copy.toString());
    assertThat(run(List.of(), Use.class, loadedBefore.toArray(String[]::new)))
        .isEqualTo(
            "Retort: process must have no LibTorch and no libretort.so but Retort's own (got "
                + copy
                + "): load Retort first, or let all load the same files, see docs/cpp.md\n");
  }

  @Test
  void load_ownFilesAreLoadedAlready_works() throws Exception {
    assertThat(
            run(
                List.of(),
                Use.class,
                mapped("libc10.so").toString(),
                mapped("libtorch_cpu.so").toString(),
                mapped("libretort.so.0.1").toString()))
        .isEqualTo("available\n");
  }

  /** As on a full disk, where JavaCPP goes on and later misses a library. */
  @Test
  void load_libraryCannotBeUnpacked_namesTheCache() throws Exception {
    Path cache = Files.createDirectory(folder.resolve("cache"));
    String jar =
        Stream.of(ChildJvm.classPath().split(File.pathSeparator, -1))
            .map(entry -> Path.of(entry).getFileName().toString())
            .filter(entry -> entry.matches("openblas-.*-linux-x86_64\\.jar"))
            .findFirst()
            .orElseThrow();
    Files.createFile(cache.resolve(jar)); // where a folder is to be
    assertThat(run(List.of("-Dorg.bytedeco.javacpp.cachedir=" + cache), Use.class))
        .startsWith("Retort: cache of natives must be writable and large enough (got ")
        .contains("Not a directory")
        .endsWith(" in " + cache + "): -Dorg.bytedeco.javacpp.cachedir=<folder> moves it\n");
  }

  @Test
  void load_noCacheCanBeWritten_namesThoseTried() throws Exception {
    Path file = Files.createFile(folder.resolve("file"));
    String cache = file.resolve("cache").toString();
    assertThat(
            run(
                List.of(
                    "-Dorg.bytedeco.javacpp.cachedir=" + cache,
                    "-Duser.home=" + file,
                    "-Djava.io.tmpdir=" + file),
                Use.class))
        .startsWith("Retort: cache of natives must be writable and large enough (got ")
        .contains(cache + ", " + file + "/.javacpp/cache, " + file + "/.javacpp-")
        .hasLineCount(1);
  }

  @Test
  void load_nativeAccessDenied_namesTheFlag() throws Exception {
    Optional<Path> jdk = Jdks.atLeast(24);
    assumeTrue(jdk.isPresent(), "needs a JDK 24 or newer, this one or in a folder beside it");
    String deny = "--illegal-native-access=deny";
    String allow = ChildJvm.NATIVE_ACCESS;
    assertThat(run(jdk.get(), List.of(deny), Use.class))
        .startsWith("Retort: native access must be enabled (got Illegal native access from ")
        .endsWith("): start the JVM with " + allow + "\n");
    assertThat(run(jdk.get(), List.of(deny, allow), Use.class)).isEqualTo("available\n");
  }

  @ParameterizedTest
  @CsvSource({", 1", "0, 3", "2, 2"})
  void load_threadsOfOpenblas_areThoseOfTheProperty(String property, String expected)
      throws Exception {
    List<String> options =
        property == null ? List.of() : List.of("-Dorg.retort.openblas.threads=" + property);
    assertThat(run(options, OpenblasThreads.class)).isEqualTo(expected + "\n" + expected + "\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-1", "4097", "two", "99999999999"})
  void load_wrongThreadsOfOpenblas_areNamed(String value) throws Exception {
    System.setProperty("org.retort.openblas.threads", value);
    try {
      assertThat(obstacle(entry -> true))
          .isEqualTo(
              "Retort: org.retort.openblas.threads must be a number between 0 and 4096 (got "
                  + value
                  + ")");
    } finally {
      System.clearProperty("org.retort.openblas.threads");
    }
  }

  @ParameterizedTest
  @CsvSource({
    ", '', '', 10000",
    "500, '', '', 500",
    "0, '', '', unset",
    ", 77, '', 77",
    ", '', passive, unset"
  })
  void load_idleThreadsOfOpenmp_spinForAShortTimeUnlessToldOtherwise(
      String property, String spins, String policy, String expected) throws Exception {
    List<String> options =
        property == null ? List.of() : List.of("-Dorg.retort.openmp.spins=" + property);
    Map<String, String> environment = Map.of("GOMP_SPINCOUNT", spins, "OMP_WAIT_POLICY", policy);
    try (ChildJvm child = ChildJvm.start(folder, environment, options, OpenmpSpins.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(Files.readString(folder.resolve("stdout"))).isEqualTo(expected + "\n");
    }
  }

  /** Prints what OpenMP has read. */
  static final class OpenmpSpins {
    private OpenmpSpins() {}

    /** Takes nothing. */
    public static void main(String[] args) {
      Retort.version();
      String value = environment.variable("GOMP_SPINCOUNT");
      System.out.println(value == null ? "unset" : value);
    }
  }

  /** Loads files, then Retort, and says whether that was possible. */
  static final class Use {
    private Use() {}

    /** Takes the files. */
    public static void main(String[] files) {
      for (String file : files) {
        System.load(file);
      }
      System.out.println(
          Retort.isAvailable() ? "available" : Retort.unavailabilityCause().getMessage());
    }
  }

  /** Prints the number after loading and after a change of the threads of an operation. */
  static final class OpenblasThreads {
    private OpenblasThreads() {}

    /** Takes nothing. */
    public static void main(String[] args) {
      openblas_nolapack.blas_set_num_threads(3);
      Retort.version();
      System.out.println(retort.openblas_threads());
      Retort.threads(2);
      System.out.println(retort.openblas_threads());
    }
  }

  private String run(List<String> options, Class<?> program, String... arguments) throws Exception {
    return run(Path.of(System.getProperty("java.home")), options, program, arguments);
  }

  /** Returns what a program has printed that has ended well. */
  private String run(Path jdk, List<String> options, Class<?> program, String... arguments)
      throws Exception {
    try (ChildJvm child = ChildJvm.start(jdk, folder, options, program, arguments)) {
      assertThat(child.await()).as(child.output()).isZero();
      return Files.readString(folder.resolve("stdout"));
    }
  }

  /** Returns why Retort can't be loaded with a part of the class path. */
  private static String obstacle(Predicate<String> wanted, Path... before) throws Exception {
    try (URLClassLoader loader = loader(wanted, before)) {
      Class<?> retort = loader.loadClass(Retort.class.getName());
      assertThat(retort.getMethod("isAvailable").invoke(null)).isEqualTo(false);
      Throwable cause = (Throwable) retort.getMethod("unavailabilityCause").invoke(null);
      assertThat(cause).isExactlyInstanceOf(UnsatisfiedLinkError.class);
      assertThat(cause.getMessage()).hasLineCount(1);
      return cause.getMessage();
    }
  }

  private static URLClassLoader loader(Predicate<String> wanted, Path... before) {
    return new URLClassLoader(
        Stream.concat(
                Stream.of(before),
                Stream.of(ChildJvm.classPath().split(File.pathSeparator, -1))
                    .filter(wanted)
                    .map(Path::of))
            .map(NativeLibraryTest::url)
            .toArray(URL[]::new),
        ClassLoader.getPlatformClassLoader());
  }

  private static URL url(Path path) {
    try {
      return path.toUri().toURL();
    } catch (MalformedURLException error) {
      throw new UncheckedIOException(error);
    }
  }

  private Path jar(Map<String, byte[]> entries) throws IOException {
    Path jar = folder.resolve("other.jar");
    try (JarOutputStream output = new JarOutputStream(Files.newOutputStream(jar))) {
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        output.putNextEntry(new JarEntry(entry.getKey()));
        output.write(entry.getValue());
      }
    }
    return jar;
  }

  private static Properties builtWith() throws IOException {
    Properties properties = new Properties();
    try (InputStream input = NativeLibrary.class.getResourceAsStream("versions.properties")) {
      properties.load(input);
    }
    return properties;
  }

  /** Returns the file from which this process has a library. */
  private static Path mapped(String name) throws IOException {
    Retort.version();
    try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
      return maps.filter(map -> map.endsWith("/" + name))
          .map(map -> Path.of(map.substring(map.indexOf('/'))))
          .findFirst()
          .orElseThrow();
    }
  }
}
