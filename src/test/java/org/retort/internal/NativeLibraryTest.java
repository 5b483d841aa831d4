package org.retort.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.retort.testing.ChildJvm;

/** Loading in class loaders of its own, where nothing is loaded yet. */
final class NativeLibraryTest {
  private static final String RETORT = "org.retort.Retort";
  private static final String PLATFORM = "org.bytedeco.javacpp.platform";

  @Test
  void load_secondClassLoader_works() throws Exception {
    try (URLClassLoader loader = loader(entry -> true)) {
      Class<?> retort = Class.forName(RETORT, true, loader);
      assertThat(retort).isNotSameAs(org.retort.Retort.class);
      assertThat(retort.getMethod("version").invoke(null)).isEqualTo(org.retort.Retort.version());
    }
  }

  @Test
  void load_noNatives_saysWhatIsMissing() throws Exception {
    try (URLClassLoader loader = loader(entry -> !entry.contains("linux-x86_64"))) {
      assertThatThrownBy(() -> Class.forName(RETORT, true, loader))
          .isInstanceOf(UnsatisfiedLinkError.class)
          .hasMessageStartingWith(
              "Retort: class path must have the linux-x86_64 artifacts of retort, pytorch 2.10,"
                  + " openblas and javacpp"
                  + (System.getProperty(PLATFORM + ".extension") == null
                      ? ""
                      : ", of the first two those with -gpu, and CUDA's libraries be found")
                  + " (got ")
          .message()
          .hasLineCount(1);
    }
  }

  @Test
  void load_otherPlatform_saysSo() throws Exception {
    System.setProperty(PLATFORM, "linux-arm64");
    try (URLClassLoader loader = loader(entry -> true)) {
      assertThatThrownBy(() -> Class.forName(RETORT, true, loader))
          .isInstanceOf(UnsatisfiedLinkError.class)
          .hasMessage("Retort: platform must be linux-x86_64 (got linux-arm64)");
    } finally {
      System.clearProperty(PLATFORM);
    }
  }

  private static URLClassLoader loader(Predicate<String> wanted) throws MalformedURLException {
    List<URL> urls = new ArrayList<>();
    for (String entry : ChildJvm.classPath().split(File.pathSeparator, -1)) {
      if (wanted.test(entry)) {
        urls.add(new File(entry).toURI().toURL());
      }
    }
    return new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
  }
}
