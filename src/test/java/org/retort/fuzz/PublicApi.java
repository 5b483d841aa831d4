package org.retort.fuzz;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.models.MobileNetV2;
import org.retort.models.ShuffleNetV1;
import org.retort.models.ShuffleNetV2;
import org.retort.models.Vgg;
import org.retort.models.WideResNet;
import org.retort.testing.NoTestClasses;

/** What an application can call, found by reflection so that nothing is forgotten. */
final class PublicApi {
  /** Not for applications; or for those on a Spark cluster, which these tests are not. */
  private static final Set<String> LEFT_OUT =
      Set.of("bindings", "cli", "internal", "presets", "recipes", "spark");

  /** For all that these inherit ResNet is called; to make one is dear. */
  private static final Set<Class<?>> LIKE_RES_NET =
      Set.of(
          MobileNetV2.class, ShuffleNetV1.class, ShuffleNetV2.class, Vgg.class, WideResNet.class);

  /**
   * A public method or constructor, with the class of the object that it is called on or makes.
   *
   * @param type the class, which may inherit the method
   * @param executable the method or constructor
   */
  record Call(Class<?> type, Executable executable) {
    /** Returns for example {@code Retort.threads(int)}. */
    String name() {
      String parameters =
          Arrays.stream(executable.getParameterTypes())
              .map(Class::getSimpleName)
              .collect(Collectors.joining(", ", "(", ")"));
      return simpleName(type)
          + (executable instanceof Method ? "." + executable.getName() : "")
          + parameters;
    }

    private static String simpleName(Class<?> type) {
      return type.getName().substring(type.getPackageName().length() + 1).replace('$', '.');
    }

    /** Whether it takes so much time that a few tries must do. */
    boolean isDear() {
      return LIKE_RES_NET.contains(type) || executable.getName().equals("imageNet");
    }

    /** Whether null for a parameter is all right, by its annotation. */
    boolean isNullable(int parameter) {
      return executable.getAnnotatedParameterTypes()[parameter].isAnnotationPresent(Nullable.class);
    }

    /**
     * Whether it is Java's own, does nothing at all, or makes an exception, which asks for nothing.
     */
    boolean takesAnyNull() {
      return executable.getName().equals("equals")
          || executable instanceof Method method && method.isDefault()
          || Throwable.class.isAssignableFrom(type);
    }

    boolean isStatic() {
      return Modifier.isStatic(executable.getModifiers());
    }
  }

  private PublicApi() {}

  /** Returns every call, in the order of names. */
  static List<Call> calls() {
    return new ClassFileImporter()
        .withImportOption(new NoTestClasses()).importPackages("org.retort").stream()
            .filter(type -> isForApplications(type.getPackageName()))
            .map(JavaClass::reflect)
            .filter(PublicApi::isOfUse)
            .flatMap(PublicApi::callsOf)
            .sorted(Comparator.comparing(Call::name))
            .toList();
  }

  private static boolean isForApplications(String packageName) {
    String[] parts = packageName.split("\\.");
    return parts.length < 3 || !LEFT_OUT.contains(parts[2]);
  }

  /** Abstract types are called through those that extend them, enums have what Java gives them. */
  private static boolean isOfUse(Class<?> type) {
    return isPublic(type) && !Modifier.isAbstract(type.getModifiers()) && !type.isEnum();
  }

  private static boolean isPublic(Class<?> type) {
    Class<?> outer = type.getDeclaringClass();
    return Modifier.isPublic(type.getModifiers()) && (outer == null || isPublic(outer));
  }

  private static Stream<Call> callsOf(Class<?> type) {
    Stream<Executable> methods =
        Arrays.stream(type.getMethods())
            .filter(method -> !method.isBridge())
            .filter(method -> method.getDeclaringClass() == type || !LIKE_RES_NET.contains(type))
            .filter(method -> method.getDeclaringClass().getName().startsWith("org.retort."))
            .map(Executable.class::cast);
    return Stream.concat(Arrays.stream(type.getConstructors()), methods)
        .peek(PublicApi::open)
        .map(executable -> new Call(type, executable));
  }

  /** Calls a method, static if the receiver is null, or a constructor. */
  static Object invoke(Executable executable, Object receiver, Object... arguments)
      throws ReflectiveOperationException {
    return executable instanceof Constructor<?> constructor
        ? constructor.newInstance(arguments)
        : ((Method) executable).invoke(receiver, arguments);
  }

  /** A public class may inherit public methods from one that is not. */
  private static void open(AccessibleObject executable) {
    executable.setAccessible(true);
  }
}
