import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.tools.Builder;
import org.bytedeco.javacpp.tools.Generator;

/**
 * Runs JavaCPP's builder so that it writes the same C++ each time.
 *
 * <p>JavaCPP writes functions in the order in which reflection lists methods. That order depends on
 * where the virtual machine keeps their names, which differs between folders and versions.
 * Reflection caches its lists, and this program sorts those of the bindings and of JavaCPP's own
 * classes before JavaCPP reads them.
 *
 * <p>Usage: {@code java --add-opens=java.base/java.lang=ALL-UNNAMED JniBuilder.java CLASSES
 * OPTIONS...}, where the options are JavaCPP's.
 */
final class JniBuilder {
  private static final Path BINDINGS = Path.of("org", "retort", "bindings");

  private JniBuilder() {}

  public static void main(String[] arguments) throws Exception {
    try {
      List<Class<?>> types = bindings(Path.of(arguments[0]));
      types.addAll(classesOfJavaCpp());
      for (Class<?> type : types) {
        sort(type, "privateGetDeclaredMethods");
        sort(type, "privateGetDeclaredConstructors");
      }
    } catch (NoSuchMethodException e) {
      // A later version of Java may keep its lists elsewhere; what is built then still works.
      System.err.println("warning: the bindings are not reproducible on this JDK: " + e);
    }
    Builder.main(Arrays.copyOfRange(arguments, 1, arguments.length));
  }

  private static List<Class<?>> bindings(Path classes) throws Exception {
    List<Class<?>> found = new ArrayList<>();
    try (Stream<Path> files = Files.walk(classes.resolve(BINDINGS))) {
      for (Path file : files.filter(path -> path.toString().endsWith(".class")).sorted().toList()) {
        String name = classes.relativize(file).toString().replace('/', '.').replace(".class", "");
        found.add(Class.forName(name, false, JniBuilder.class.getClassLoader()));
      }
    }
    return found;
  }

  /** Those that every library of JavaCPP's contains. */
  private static List<Class<?>> classesOfJavaCpp() throws Exception {
    Field baseClasses = Generator.class.getDeclaredField("baseClasses");
    baseClasses.setAccessible(true);
    List<Class<?>> found = new ArrayList<>();
    for (Object type : (List<?>) baseClasses.get(null)) {
      found.add((Class<?>) type);
      found.addAll(List.of(((Class<?>) type).getDeclaredClasses()));
    }
    return found;
  }

  /** Sorts the list that {@link Class#getDeclaredMethods} and its like copy. */
  private static void sort(Class<?> type, String list) throws Exception {
    Method getter = Class.class.getDeclaredMethod(list, boolean.class);
    getter.setAccessible(true);
    Executable[] members = (Executable[]) getter.invoke(type, false);
    Arrays.sort(members, Comparator.comparing(Executable::toGenericString));
  }
}
