package org.retort.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.testing.ChildJvm;
import org.retort.testing.Threads;

/** Two applications in one virtual machine, each with Retort's classes of its own. */
final class ClassLoadersTest {
  @TempDir private Path folder;

  @Test
  void train_underTwoClassLoaders_givesTheSameNumbers() throws Exception {
    try (ChildJvm child = ChildJvm.start(folder, TwoApplications.class)) {
      assertThat(child.await()).as(child.output()).isZero();
      assertThat(child.output()).contains("done");
    }
  }

  /** Prints {@code done} at the end. */
  static final class TwoApplications {
    private TwoApplications() {}

    /** Loads the class path twice, into loaders that don't know each other. */
    public static void main(String[] args) throws Exception {
      try (URLClassLoader other = load()) {
        double[] expected;
        try (URLClassLoader one = load()) {
          expected = train(one);
          same(expected, train(other));
          Threads.runAll(() -> runSteps(one), () -> runSteps(other));
          same(expected, train(one));
          call(one, "useThreads", int.class, 2);
          same(new double[] {2}, (double[]) call(other, "threads"));
        }
        System.gc();
        same(expected, train(other));
      }
      System.out.println("done");
    }

    private static URLClassLoader load() {
      URL[] places =
          Arrays.stream(ChildJvm.classPath().split(File.pathSeparator))
              .map(TwoApplications::toUrl)
              .toArray(URL[]::new);
      return new URLClassLoader(places, ClassLoader.getPlatformClassLoader());
    }

    private static URL toUrl(String place) {
      try {
        return Path.of(place).toUri().toURL();
      } catch (MalformedURLException error) {
        throw new IllegalStateException(error);
      }
    }

    private static double[] train(ClassLoader application) throws ReflectiveOperationException {
      return (double[]) call(application, "train");
    }

    private static void runSteps(ClassLoader application) throws ReflectiveOperationException {
      call(application, "runSteps");
    }

    private static Object call(ClassLoader application, String method)
        throws ReflectiveOperationException {
      return application.loadClass(Application.class.getName()).getMethod(method).invoke(null);
    }

    private static void call(ClassLoader application, String method, Class<?> type, Object value)
        throws ReflectiveOperationException {
      application
          .loadClass(Application.class.getName())
          .getMethod(method, type)
          .invoke(null, value);
    }

    private static void same(double[] expected, double[] actual) {
      if (!Arrays.equals(expected, actual)) {
        throw new AssertionError(Arrays.toString(actual) + ", not " + Arrays.toString(expected));
      }
    }
  }

  /** What an application does. */
  public static final class Application {
    private static final int STEPS = 5;

    private Application() {}

    /** Returns the numbers of the last of some steps. */
    public static double[] train() {
      Retort.threads(1);
      try (SmallStep small = new SmallStep()) {
        small.runSteps(STEPS);
        return small.numbers();
      }
    }

    /** Runs some steps whose weights depend on what other threads draw. */
    public static void runSteps() {
      try (SmallStep small = new SmallStep()) {
        small.runSteps(STEPS);
      }
    }

    /** Sets the number of threads of an operation. */
    public static void useThreads(int threads) {
      Retort.threads(threads);
    }

    /** Returns that number. */
    public static double[] threads() {
      return new double[] {Retort.threads()};
    }
  }
}
