package org.retort;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.retort.data.Augmentation;
import org.retort.data.ColumnSummary;
import org.retort.data.FolderParts;
import org.retort.data.FolderSample;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.data.MissingValues;
import org.retort.data.PictureReader;
import org.retort.data.PictureSize;
import org.retort.data.Split;
import org.retort.data.TableOptions;
import org.retort.data.UnknownCategories;
import org.retort.distributed.RanksOptions;
import org.retort.losses.CrdLoss;
import org.retort.losses.DkdLoss;
import org.retort.losses.FspLoss;
import org.retort.losses.KdLoss;
import org.retort.losses.NstLoss;
import org.retort.losses.OfdLoss;
import org.retort.losses.RegisteredLoss;
import org.retort.models.ModelDescription;
import org.retort.models.Prediction;
import org.retort.models.Preprocessing;
import org.retort.testing.NoTestClasses;
import org.retort.train.Adam;
import org.retort.train.CrossEntropy;
import org.retort.train.EpochSummary;
import org.retort.train.MemoryFormat;
import org.retort.train.ParameterGroup;
import org.retort.train.Precision;
import org.retort.train.Schedule;
import org.retort.train.Sgd;
import org.retort.train.Stage;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredTap;
import org.retort.train.Taps;
import org.retort.train.Teacher;
import org.retort.train.TeacherBatchNorm;
import org.retort.train.TeacherMean;
import org.retort.train.Term;
import org.retort.train.TrainingSummary;

/** What all records of options have in common: they are values. */
final class OptionValuesTest {
  private static final int MOST_CHARACTERS = 500;

  /** What the library returns. */
  private static final Set<Class<?>> RESULTS =
      Set.of(
          Prediction.class,
          EpochSummary.class,
          ColumnSummary.class,
          FolderParts.class,
          FolderSample.class,
          PictureSize.class,
          Split.class,
          TrainingSummary.class,
          ImageFolder.BrokenFile.class);

  /**
   * Two values of a class. A component in which they differ can be changed from the one's to the
   * other's.
   *
   * @param from the one
   * @param to the other
   */
  record Pair(Record from, Record to) {
    @Override
    public String toString() {
      return from.getClass().getSimpleName() + " " + from.hashCode();
    }
  }

  static Stream<Pair> pairs() {
    ParameterGroup group = ParameterGroup.of("student.fc", "terms.0");
    Schedule steps = Schedule.step(3, 0.5);
    return Stream.of(
        new Pair(KdLoss.of(4), KdLoss.of(2).withTarget(KdLoss.Target.STANDARDISED_LOGITS)),
        new Pair(DkdLoss.of(4), new DkdLoss(2, 3, 5, true)),
        new Pair(
            FspLoss.consecutive(),
            new FspLoss(
                List.of(new FspLoss.Pair(0, 2), new FspLoss.Pair(1, 2)),
                FspLoss.Pooling.MAX,
                FspLoss.Reduction.PAPER,
                true)),
        new Pair(new FspLoss.Pair(0, 1), new FspLoss.Pair(1, 2)),
        new Pair(
            ModelDescription.of("resnet8").withClassNames(List.of("a")),
            new ModelDescription("mlp_4", List.of("b", "c"), 8, Optional.empty())),
        new Pair(NstLoss.linear(), NstLoss.gaussian()),
        new Pair(
            NstLoss.polynomial(),
            new NstLoss(NstLoss.Kernel.POLYNOMIAL, 3, 1, OptionalDouble.empty(), false, 1e-3)),
        new Pair(NstLoss.gaussian(), NstLoss.gaussian().withVariance(2)),
        new Pair(
            CrdLoss.forSamples(3).withClasses(0, 0, 1),
            new CrdLoss(
                3,
                0,
                List.of(1L, 2L, 3L),
                true,
                CrdLoss.Z.fixed(2, 3),
                7,
                8,
                0.1,
                0.9,
                CrdLoss.MemoryDtype.BFLOAT16)),
        new Pair(CrdLoss.forQueue(5), CrdLoss.forQueue(6)),
        new Pair(CrdLoss.Z.firstBatch(), CrdLoss.Z.fixed(2, 3)),
        new Pair(CrdLoss.Z.firstBatch(), CrdLoss.Z.movingAverage(0.5)),
        new Pair(
            OfdLoss.ofBatchMargins(),
            new OfdLoss(
                List.of(List.of(-0.5, -1.0), List.of(-2.0)),
                OfdLoss.Reduction.SUM,
                0.5,
                1000,
                OfdLoss.Init.KAIMING)),
        new Pair(
            RegisteredLoss.of("one").with("power", 2),
            new RegisteredLoss("other", Map.of("a", "b"))),
        new Pair(Sgd.of(0.1), new Sgd(0.2, 0.9, true, 0.01, steps, false, List.of(group))),
        new Pair(
            Adam.of(0.1), new Adam(0.2, 0.8, 0.7, 1e-4, 0.01, true, steps, false, List.of(group))),
        new Pair(Schedule.milestones(0.5, 3, 6), Schedule.milestones(0.1, 4).withWarmup(2, 0.5)),
        new Pair(Schedule.step(2, 0.5), Schedule.cosine(5, 0.1)),
        new Pair(CrossEntropy.of(1), new CrossEntropy(2, 0.1, List.of(1.0, 2.0), steps)),
        new Pair(group, new ParameterGroup(List.of("terms.1"), 0.1, 0)),
        new Pair(
            Term.of(1, KdLoss.of(4)),
            new Term(
                2, NstLoss.linear(), Taps.of("layer1"), steps, List.of("a"), Optional.empty())),
        new Pair(
            Term.of(1, KdLoss.of(4)),
            Term.of(1, KdLoss.of(4)).withTeacherMean(TeacherMean.LOGITS, "a", "b")),
        new Pair(
            Teacher.given("a"),
            new Teacher(
                "b",
                Optional.empty(),
                Optional.empty(),
                2,
                Preprocessing.of(3, 8, 8),
                Optional.of(MemoryFormat.CONTIGUOUS),
                Precision.BFLOAT16,
                TeacherBatchNorm.TRAINING,
                3,
                Optional.of(Path.of("cache")))),
        new Pair(Taps.of("a", "b"), new Taps(List.of("c", "d"), List.of("e", "f"))),
        new Pair(
            Stage.of(Sgd.of(0.1)),
            new Stage(
                CrossEntropy.of(0.5),
                List.of(Term.of(1, KdLoss.of(4))),
                Adam.of(0.1),
                List.of("layer1"),
                3)),
        new Pair(StoredTap.of("a", 4), StoredTap.of("b", 2, 3)),
        new Pair(
            StoredOutputsFormat.of(3, 5),
            new StoredOutputsFormat(
                4,
                6,
                List.of(StoredTap.of("a", 4)),
                StoredOutputsFormat.Dtype.FLOAT16,
                2,
                "ResNet-20")),
        new Pair(
            Preprocessing.of(3, 8, 8),
            new Preprocessing(List.of(1L, 4L, 4L), List.of(0.5), List.of(2.0), true)),
        new Pair(
            Augmentation.none(),
            Augmentation.none()
                .withReflectedCrop(2)
                .withOutputSize(8, 8)
                .withFlip(0.5)
                .withColorJitter(0.4, 0.4, 0.4, 0.1)
                .withNormalization(new double[] {0.5}, new double[] {2})
                .withCutout(8, 0.5)),
        new Pair(
            Augmentation.none().withCutout(8), Augmentation.none().withRandomResizedCrop(0.08, 1)),
        new Pair(
            new Augmentation.ResizedCrop(0.08, 1, 0.75, 1.25),
            new Augmentation.ResizedCrop(0.5, 0.75, 1, 1)),
        new Pair(new Augmentation.Size(1, 2), new Augmentation.Size(2, 1)),
        new Pair(
            new Augmentation.ColorJitter(0, 0, 0, 0),
            new Augmentation.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        new Pair(
            new Augmentation.Cutout(8, List.of()),
            new Augmentation.Cutout(16, List.of(0.5, 0.25, 0.125))),
        new Pair(
            PictureReader.of(new ImageShape(3, 8, 8)),
            new PictureReader(new ImageShape(1, 4, 4), 9)),
        new Pair(new ImageShape(3, 8, 8), new ImageShape(1, 4, 4)),
        new Pair(
            RanksOptions.of(1, 4, "a"),
            new RanksOptions(0, 3, "b", 1, Optional.of("c"), "job", "cuda", Duration.ofSeconds(1))),
        new Pair(
            TableOptions.of("label"),
            new TableOptions(
                "class",
                ';',
                List.of("-"),
                List.of("a", "b"),
                List.of("c"),
                List.of("a"),
                List.of("b"),
                List.of("no", "yes"),
                MissingValues.MEAN,
                UnknownCategories.ZEROS)));
  }

  static Stream<Record> values() {
    return pairs().flatMap(pair -> Stream.of(pair.from(), pair.to()));
  }

  @Test
  void pairs_haveEveryPublicRecordOfOptions() {
    Set<String> inApi = new TreeSet<>();
    new ClassFileImporter()
            .withImportOption(new NoTestClasses())
            .importPackages(
                "org.retort.losses",
                "org.retort.train",
                "org.retort.models",
                "org.retort.data",
                "org.retort.distributed")
            .stream()
            .map(JavaClass::reflect)
            .filter(type -> type.isRecord() && isPublic(type) && !RESULTS.contains(type))
            .forEach(type -> inApi.add(type.getName()));
    Set<String> here = new TreeSet<>();
    values().forEach(value -> here.add(value.getClass().getName()));
    assertThat(here).isEqualTo(inApi);
  }

  private static boolean isPublic(Class<?> type) {
    return Modifier.isPublic(type.getModifiers())
        && (type.getEnclosingClass() == null || isPublic(type.getEnclosingClass()));
  }

  /** Which methods there are is found by reflection; each must be tried with one pair or more. */
  @Test
  void with_aComponent_changesNothingElse() throws ReflectiveOperationException {
    Set<String> all = new TreeSet<>();
    Set<String> tried = new TreeSet<>();
    for (Pair pair : pairs().toList()) {
      for (Method method : pair.from().getClass().getMethods()) {
        Optional<RecordComponent> changed = component(method);
        if (changed.isEmpty()) {
          continue;
        }
        all.add(method.toString());
        Object value = value(changed.get(), pair.to());
        if (!value.equals(value(changed.get(), pair.from()))) {
          tried.add(method.toString());
          Object copy = method.invoke(pair.from(), argument(method, value));
          Record expected = with(pair.from(), changed.get(), value);
          assertThat(copy).as(method.getName()).isEqualTo(expected).isNotEqualTo(pair.from());
          assertThat(copy).hasSameHashCodeAs(expected).hasToString(expected.toString());
        }
      }
    }
    assertThat(tried).isEqualTo(all).hasSizeGreaterThan(40);
  }

  /** Returns the component that a method {@code withX(x)} changes. */
  private static Optional<RecordComponent> component(Method method) {
    boolean isWith = method.getName().startsWith("with") && method.getParameterCount() == 1;
    return isWith
        ? Arrays.stream(method.getDeclaringClass().getRecordComponents())
            .filter(
                component -> method.getName().substring(4).equalsIgnoreCase(component.getName()))
            .filter(component -> isOfType(component.getType(), method.getParameterTypes()[0]))
            .findFirst()
        : Optional.empty();
  }

  private static boolean isOfType(Class<?> component, Class<?> parameter) {
    return component == parameter
        || component == List.class && parameter.isArray()
        || component == OptionalDouble.class && parameter == double.class;
  }

  /** Returns a component's value as a method takes it. */
  private static Object argument(Method method, Object value) {
    Class<?> parameter = method.getParameterTypes()[0];
    if (parameter.isArray()) {
      List<?> list = (List<?>) value;
      Object array = Array.newInstance(parameter.getComponentType(), list.size());
      for (int i = 0; i < list.size(); i++) {
        Array.set(array, i, list.get(i));
      }
      return array;
    }
    return value instanceof OptionalDouble number ? number.getAsDouble() : value;
  }

  private static Object value(RecordComponent component, Record of) {
    try {
      return component.getAccessor().invoke(of);
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  private static Record with(Record old, RecordComponent changed, Object value) {
    return rebuilt(
        old,
        component -> component.getName().equals(changed.getName()) ? value : value(component, old));
  }

  /** Calls the canonical constructor. */
  private static Record rebuilt(Record like, Function<RecordComponent, Object> values) {
    RecordComponent[] components = like.getClass().getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      return like.getClass()
          .getConstructor(types)
          .newInstance(Arrays.stream(components).map(values).toArray());
    } catch (InvocationTargetException e) {
      throw new AssertionError(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void equals_ofTheSameComponents_holds(Pair pair) {
    Record copy = rebuilt(pair.from(), component -> value(component, pair.from()));
    assertThat(copy).isEqualTo(pair.from()).hasSameHashCodeAs(pair.from());
    assertThat(copy).hasToString(pair.from().toString());
    assertThat(pair.from()).isNotEqualTo(pair.to());
    assertThat(pair.from().toString()).isNotEqualTo(pair.to().toString());
  }

  @ParameterizedTest
  @MethodSource("values")
  void toString_always_namesEachComponent(Record value) {
    String text = value.toString();
    assertThat(text).startsWith(value.getClass().getSimpleName() + "[").endsWith("]");
    for (RecordComponent component : value.getClass().getRecordComponents()) {
      assertThat(text).contains(component.getName() + "=");
    }
  }

  static Stream<Record> large() {
    long[] classes = LongStream.range(0, 50_000).toArray();
    double[] weights = LongStream.of(classes).mapToDouble(i -> 1 / (i + 3.0)).toArray();
    List<Double> margin = Arrays.stream(weights).limit(2048).map(w -> -w).boxed().toList();
    return Stream.of(
        CrdLoss.forSamples(50_000).withClasses(classes),
        CrossEntropy.of(1).withClassWeights(weights),
        OfdLoss.ofBatchMargins().withMargins(List.of(margin)),
        OfdLoss.ofBatchMargins().withMargins(Collections.nCopies(4, margin)),
        OfdLoss.ofBatchMargins().withMargins(Collections.nCopies(100, margin)));
  }

  @ParameterizedTest
  @MethodSource("large")
  void toString_ofManyNumbers_isShort(Record value) {
    toString_always_namesEachComponent(value);
    assertThat(value.toString()).hasSizeLessThan(MOST_CHARACTERS);
  }

  @Test
  void toString_ofManyNumbers_showsTheFirstAndTheirCount() {
    List<Double> margin = List.of(-1.0, -2.0, -3.0, -4.0, -5.0);
    assertThat(OfdLoss.ofBatchMargins().withMargins(List.of(margin, margin.subList(0, 4))))
        .hasToString(
            "OfdLoss[margins=[[-1.0, -2.0, -3.0, ... 5 in all], [-1.0, -2.0, -3.0, -4.0]],"
                + " reduction=MEAN, layerDecay=1.0, scale=1.0, init=OFFICIAL]");
    assertThat(CrossEntropy.of(1).withClassWeights(1, 2))
        .hasToString(
            "CrossEntropy[weight=1.0, labelSmoothing=0.0, classWeights=[1.0, 2.0], schedule="
                + Schedule.constant()
                + "]");
  }

  @ParameterizedTest
  @MethodSource("values")
  void constructor_listsChangedLater_areNotSeen(Record value) {
    List<List<Object>> given = new ArrayList<>();
    Record made =
        rebuilt(
            value,
            component ->
                value(component, value) instanceof List<?> list
                    ? mutable(list, given)
                    : value(component, value));
    given.forEach(List::clear);
    assertThat(made).isEqualTo(value);
  }

  /** Copies a list and those in it, and collects the copies. */
  private static List<Object> mutable(List<?> list, List<List<Object>> copies) {
    List<Object> copy = new ArrayList<>();
    for (Object element : list) {
      copy.add(element instanceof List<?> inner ? mutable(inner, copies) : element);
    }
    copies.add(copy);
    return copy;
  }

  @ParameterizedTest
  @MethodSource("values")
  void accessors_ofLists_giveImmutableOnes(Record value) {
    for (RecordComponent component : value.getClass().getRecordComponents()) {
      assertThat(component.getType().isArray()).as(component.getName()).isFalse();
      if (value(component, value) instanceof List<?> list) {
        assertImmutable(list);
      }
    }
  }

  private static void assertImmutable(List<?> list) {
    assertThatThrownBy(() -> list.add(null)).isInstanceOf(UnsupportedOperationException.class);
    for (Object element : list) {
      if (element instanceof List<?> inner) {
        assertImmutable(inner);
      }
    }
  }

  @Test
  void factories_arraysChangedLater_areNotSeen() {
    assertCopied(
        new String[] {"a", "b"}, Taps::of, ParameterGroup::of, Stage.of(Sgd.of(1))::withTrainOnly);
    assertCopied(
        new ParameterGroup[] {ParameterGroup.of("a"), ParameterGroup.of("b")},
        Sgd.of(1)::withGroups,
        Adam.of(1)::withGroups);
    assertCopied(
        new FspLoss.Pair[] {new FspLoss.Pair(0, 1), new FspLoss.Pair(1, 2)}, FspLoss::ofPairs);
    assertCopied(new long[] {1, 2}, steps -> Schedule.milestones(1, steps));
    assertCopied(
        new long[] {1, 2, 3},
        Preprocessing::of,
        Preprocessing.of()::withInputShape,
        CrdLoss.forSamples(3)::withClasses);
    assertCopied(
        new double[] {1, 2},
        CrossEntropy.of(1)::withClassWeights,
        values -> Preprocessing.of().withNormalization(values, values),
        values -> Augmentation.none().withNormalization(values, values),
        values -> Augmentation.none().withCutout(8, values));
  }

  @SafeVarargs
  private static <A> void assertCopied(A array, Function<A, Record>... makers) {
    Object first = Array.get(array, 0);
    Object last = Array.get(array, Array.getLength(array) - 1);
    for (Function<A, Record> maker : makers) {
      Array.set(array, 0, first);
      Record made = maker.apply(array);
      String text = made.toString();
      Array.set(array, 0, last);
      assertThat(made).isNotEqualTo(maker.apply(array)).hasToString(text);
    }
  }
}
