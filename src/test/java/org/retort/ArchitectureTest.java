package org.retort;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.retort.internal.NativeHandle;
import org.retort.testing.NoTestClasses;
import org.retort.train.MicrometerListener;

/** Which part may use which, and what no part may do. */
@AnalyzeClasses(packages = "org.retort", importOptions = NoTestClasses.class)
final class ArchitectureTest {
  private static final String ROOT = "org.retort";
  private static final String[] LIBRARY = {
    ROOT + ".losses..", ROOT + ".models..", ROOT + ".distributed..", ROOT + ".train.."
  };

  @ArchTest static final ArchRule ROOT_USES = mayUse("", "bindings", "internal");
  @ArchTest static final ArchRule BINDINGS_USE = mayUse("bindings", "presets");
  @ArchTest static final ArchRule INTERNAL_USES = mayUse("internal", "", "bindings");

  @ArchTest
  static final ArchRule LOSSES_USE = mayUse("losses", "", "bindings", "internal", "models");

  /** A predictor reads pictures and rows as training did; data know nothing of networks. */
  @ArchTest static final ArchRule MODELS_USE = mayUse("models", "", "bindings", "internal", "data");

  /** Beside data, losses and models, none of which knows of it. */
  @ArchTest
  static final ArchRule DISTRIBUTED_USES = mayUse("distributed", "", "bindings", "internal");

  @ArchTest
  static final ArchRule TRAIN_USES =
      mayUse("train", "", "bindings", "internal", "losses", "models", "distributed", "data");

  /**
   * So the trainer can take data from anywhere. Augmentation is native, since every pixel of a
   * training passes through it: the generated function takes buffers, so that data need no class of
   * JavaCPP's, and reading them without augmentation loads no native code.
   */
  @ArchTest static final ArchRule DATA_USES = mayUse("data", "", "bindings", "internal");

  @ArchTest
  static final ArchRule RECIPES_USE =
      mayUse("recipes", "", "internal", "losses", "models", "distributed", "train", "data");

  @ArchTest
  static final ArchRule CLI_USES =
      mayUse("cli", "", "recipes", "models", "distributed", "train", "data");

  @ArchTest
  static final ArchRule SPARK_USES =
      mayUse("spark", "", "internal", "recipes", "models", "distributed", "train", "data");

  @ArchTest
  static final ArchRule SPARK_IS_NEEDED_BY_ITS_PACKAGE_ONLY =
      noClasses()
          .that()
          .resideOutsideOfPackage(ROOT + ".spark..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..", "scala..");

  @ArchTest
  static final ArchRule YAML_IS_NEEDED_BY_RECIPES_ONLY =
      noClasses()
          .that()
          .resideOutsideOfPackage(ROOT + ".recipes..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.snakeyaml..");

  @ArchTest
  static final ArchRule DATA_RECIPES_AND_CLI_KNOW_NO_NATIVE_CODE =
      noClasses()
          .that()
          .resideInAnyPackage(ROOT + ".data..", ROOT + ".recipes..", ROOT + ".cli..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.bytedeco..");

  @ArchTest
  static final ArchRule MICROMETER_IS_NEEDED_BY_ITS_LISTENER_ONLY =
      noClasses()
          .that()
          .doNotBelongToAnyOf(MicrometerListener.class)
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.micrometer..");

  /** The command line has all libraries. */
  @ArchTest
  static final ArchRule CSV_IS_NEEDED_BY_TABLES_ONLY =
      noClasses()
          .that()
          .resideOutsideOfPackage(ROOT + ".cli..")
          .and()
          .doNotHaveFullyQualifiedName(ROOT + ".data.CsvText")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.apache.commons..");

  /** A runtime may lack the module jdk.jfr. */
  @ArchTest
  static final ArchRule FLIGHT_RECORDER_IS_NEEDED_BY_EVENTS_ONLY =
      noClasses()
          .that()
          .haveSimpleNameNotEndingWith("Event")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("jdk.jfr..");

  @ArchTest
  static final ArchRule OWNERS_OF_NATIVE_MEMORY_ARE_CLOSED_BY_THE_USER =
      classes()
          .that()
          .resideInAnyPackage(LIBRARY)
          .and(describe("own native memory", ArchitectureTest::ownsNativeMemory))
          .should()
          .beAssignableTo(AutoCloseable.class)
          .andShould(
              satisfy(
                  "be final or sealed",
                  owner ->
                      owner.getModifiers().contains(JavaModifier.FINAL)
                          || owner.reflect().isSealed()));

  @ArchTest
  static final ArchRule NO_MATHEMATICS_IN_JAVA =
      noClasses()
          .that()
          .resideInAnyPackage(LIBRARY)
          .should()
          .accessTargetWhere(describe("is mathematics", ArchitectureTest::isMathematics));

  @ArchTest
  static final ArchRule NOBODY_FORCES_GARBAGE_COLLECTION =
      noClasses()
          .should()
          .callMethod(System.class, "gc")
          .orShould()
          .callMethod(Runtime.class, "gc");

  @ArchTest
  static final ArchRule ONLY_THE_COMMAND_LINE_PRINTS_OR_EXITS =
      noClasses()
          .that()
          .resideOutsideOfPackage(ROOT + ".cli..")
          .should()
          .accessField(System.class, "out")
          .orShould()
          .accessField(System.class, "err")
          .orShould()
          .callMethod(System.class, "exit", int.class);

  /** A trainer does so only when it is told to, and for as long as it runs. */
  @ArchTest
  static final ArchRule ONLY_THE_COMMAND_LINE_AND_TRAINERS_WATCH_THE_END_OF_THE_PROCESS =
      noClasses()
          .that()
          .resideOutsideOfPackage(ROOT + ".cli..")
          .and()
          .doNotHaveFullyQualifiedName(ROOT + ".train.ShutdownStop")
          .should()
          .callMethod(Runtime.class, "addShutdownHook", Thread.class);

  /**
   * What users see is Java's, Bytedeco's and Retort's public classes: in signatures of what is
   * public and in what public classes extend.
   */
  @ArchTest
  static final ArchRule PUBLIC_SIGNATURES_SHOW_NO_INTERNALS =
      classes()
          .that()
          .arePublic()
          .and()
          .resideOutsideOfPackages(ROOT + ".internal..", ROOT + ".bindings..", ROOT + ".presets..")
          .should(
              satisfy(
                  "show no internals",
                  shown -> signature(shown).noneMatch(ArchitectureTest::isInternal)));

  private static Stream<JavaClass> signature(JavaClass shown) {
    Stream<JavaClass> parents =
        Stream.concat(shown.getRawInterfaces().stream(), shown.getRawSuperclass().stream());
    Stream<JavaClass> fields =
        shown.getFields().stream()
            .filter(ArchitectureTest::isVisible)
            .flatMap(field -> field.getType().getAllInvolvedRawTypes().stream());
    Stream<JavaClass> calls =
        shown.getCodeUnits().stream()
            .filter(ArchitectureTest::isVisible)
            .flatMap(
                call ->
                    Stream.concat(
                        call.getReturnType().getAllInvolvedRawTypes().stream(),
                        call.getParameterTypes().stream()
                            .flatMap(type -> type.getAllInvolvedRawTypes().stream())));
    return Stream.of(parents, fields, calls).flatMap(Function.identity());
  }

  private static boolean isVisible(JavaMember member) {
    return member.getModifiers().contains(JavaModifier.PUBLIC)
        || member.getModifiers().contains(JavaModifier.PROTECTED);
  }

  private static boolean isInternal(JavaClass type) {
    return in("internal").or(in("bindings")).or(in("presets")).test(type);
  }

  /** A part uses itself, the given parts, and of the rest of Retort nothing. */
  private static ArchRule mayUse(String part, String... others) {
    DescribedPredicate<JavaClass> allowed = resideOutsideOfPackage(ROOT + "..").or(in(part));
    for (String other : others) {
      allowed = allowed.or(in(other));
    }
    return classes().that(in(part)).should().onlyDependOnClassesThat(allowed);
  }

  private static DescribedPredicate<JavaClass> in(String part) {
    return resideInAPackage(part.isEmpty() ? ROOT : ROOT + "." + part + "..");
  }

  private static boolean ownsNativeMemory(JavaClass candidate) {
    DescribedPredicate<JavaClass> isNative =
        type(NativeHandle.class).or(assignableTo(Pointer.class));
    return candidate.getFields().stream().anyMatch(field -> isNative.test(field.getRawType()));
  }

  /** Whether an access is to a function of a number, but for those that keep integers in range. */
  private static boolean isMathematics(JavaAccess<?> call) {
    String function = call.getName();
    return call.getTargetOwner().isAssignableTo(Math.class)
            && !function.endsWith("Exact")
            && !Set.of("min", "max").contains(function)
        || call.getTargetOwner().isAssignableTo(StrictMath.class);
  }

  private static ArchCondition<JavaClass> satisfy(String rule, Predicate<JavaClass> condition) {
    return new ArchCondition<>(rule) {
      @Override
      public void check(JavaClass candidate, ConditionEvents events) {
        events.add(
            new SimpleConditionEvent(
                candidate, condition.test(candidate), candidate.getName() + " must " + rule));
      }
    };
  }
}
