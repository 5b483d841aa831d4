package org.retort.fuzz;

import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.retort.data.Batches;
import org.retort.data.CsvDataset;
import org.retort.data.Dataset;
import org.retort.data.DatasetBatches;
import org.retort.data.Digits;
import org.retort.data.FolderInspection;
import org.retort.data.ImageFolder;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksListener;
import org.retort.distributed.RanksOptions;
import org.retort.losses.ProgramLoss;
import org.retort.models.Network;
import org.retort.train.Metrics;
import org.retort.train.StepCheckpoint;
import org.retort.train.StepResult;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.Trainer;
import org.retort.train.TrainingListener;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** Random arguments and receivers of calls. Retort's own types are made by Retort's own methods. */
final class Arguments {
  private static final int ATTEMPTS = 100;
  private static final int CHAIN = 3;

  private final Random random;
  private final Fixtures fixtures;
  private final Values values;
  private final Tensors tensors;

  /**
   * Starts a source.
   *
   * @param wildness the share of values that nobody should pass
   */
  Arguments(Random random, Fixtures fixtures, double wildness) {
    this.random = random;
    this.fixtures = fixtures;
    values = new Values(random, wildness);
    tensors = new Tensors(random, values);
  }

  /** Returns arguments for a method or constructor. */
  Object[] of(Executable executable) {
    boolean isOfMaps =
        !executable.getDeclaringClass().getSimpleName().matches("KdLoss|DkdLoss|CrdLoss");
    return Arrays.stream(executable.getParameters())
        .map(parameter -> of(parameter.getParameterizedType(), parameter.getName(), isOfMaps))
        .toArray();
  }

  private Object of(Type type, String name, boolean isOfMaps) {
    if (type instanceof ParameterizedType list && list.getRawType() == List.class) {
      Type element = list.getActualTypeArguments()[0];
      return values.orNull(() -> values.list(() -> of(element, name, isOfMaps)));
    }
    if (type instanceof ParameterizedType optional && optional.getRawType() == Optional.class) {
      Type element = optional.getActualTypeArguments()[0];
      return values.orNull(
          () -> Optional.ofNullable(random.nextBoolean() ? of(element, name, isOfMaps) : null));
    }
    if (type instanceof ParameterizedType map && map.getRawType() == Map.class) {
      return values.orNull(() -> Collections.singletonMap((String) values.of(String.class), "2"));
    }
    Class<?> plain = (Class<?>) type;
    if (values.knows(plain) && !plain.equals(ScalarType.class)) {
      return values.of(plain);
    }
    if (plain.isArray()) {
      Class<?> element = plain.getComponentType();
      return values.orNull(() -> values.array(element, () -> of(element, name, isOfMaps)));
    }
    if (plain == Tensor.class) {
      return tensors.of(name, isOfMaps);
    }
    return plain == ScalarType.class ? tensors.dtype() : values.orNull(() -> object(plain));
  }

  /** Returns an object of a type that is Retort's, or a path. */
  Object object(Class<?> type) {
    if (type == Path.class) {
      return fixtures.file();
    }
    if (Network.class.isAssignableFrom(type)) {
      return fixtures.network(type);
    }
    if (type == TrainingStep.class) {
      return fixtures.step();
    }
    if (type == StepCheckpoint.class) {
      return fixtures.checkpoint();
    }
    if (type == ProgramLoss.class) {
      return fixtures.programLoss();
    }
    if (type == StoredOutputs.class) {
      return fixtures.outputs();
    }
    if (type == StoredOutputsWriter.class) {
      return fixtures.writer();
    }
    if (type == StepResult.class) {
      return fixtures.result();
    }
    if (type == Ranks.class) {
      return Ranks.join(RanksOptions.of());
    }
    if (type == RanksListener.class) {
      return Ranks.listen(RanksOptions.of(0, 1, "127.0.0.1").withPort(0)); // which waits for nobody
    }
    if (type == RanksOptions.class) {
      return ranksOptions();
    }
    if (type == Metrics.class) {
      return Metrics.of(new long[][] {{3, 1}, {0, 2}}, 6); // no random counts go together
    }
    if (type == Digits.class) {
      return fixtures.data().digits();
    }
    if (type == Table.class) {
      return fixtures.data().table();
    }
    if (type == FolderInspection.class) {
      return fixtures.data().inspection();
    }
    if (type == FolderInspection.Progress.class) {
      return (FolderInspection.Progress) (done, all) -> {};
    }
    if (type == TableColumns.class) {
      return fixtures.data().columns();
    }
    if (Dataset.class.isAssignableFrom(type)) {
      return fixtures.dataset(type);
    }
    if (type == DatasetBatches.class) {
      return fixtures.data().batches();
    }
    if (type == Batches.class) {
      return fixtures.batches();
    }
    if (type == TrainingListener.class) {
      return new TrainingListener() {};
    }
    if (type == Trainer.class) {
      return trainer();
    }
    if (type.isSealed()) {
      return object(values.pick(type.getPermittedSubclasses()));
    }
    return changed(type, begun(type));
  }

  /** Of one rank or, rarely, one that waits in vain, which takes a second or so. */
  private RanksOptions ranksOptions() {
    RanksOptions options = RanksOptions.of().withTimeout(Duration.ofMillis(1 + random.nextInt(9)));
    return random.nextInt(20) > 0
        ? options
        : options.withAddress("127.0.0.1").withSize(2).withRank(random.nextInt(2));
  }

  /** Not all options go together. */
  private Trainer trainer() {
    for (int i = 0; i < ATTEMPTS; i++) {
      try {
        return ((Trainer.Builder) object(Trainer.Builder.class)).build();
      } catch (IllegalArgumentException refused) {
        continue;
      }
    }
    throw new AssertionError("Arguments: no trainer could be built");
  }

  private Object begun(Class<?> type) {
    if (type == TrainingStepBuilder.class) {
      return fixtures.builder();
    }
    if (type == DatasetBatches.Builder.class) {
      return fixtures.data().batchesBuilder();
    }
    if (type == CsvDataset.Builder.class) {
      return fixtures.data().csv();
    }
    if (type == ImageFolder.Builder.class) {
      return fixtures.data().imageFolder();
    }
    return type == Trainer.Builder.class ? fixtures.trainer() : made(type);
  }

  /** Makes an object by a public constructor or static method. */
  private Object made(Class<?> type) {
    List<Executable> makers =
        Stream.<Executable>concat(
                Arrays.stream(type.getConstructors()),
                Arrays.stream(type.getMethods())
                    .filter(method -> Modifier.isStatic(method.getModifiers()))
                    .filter(method -> method.getReturnType() == type))
            .toList();
    if (makers.isEmpty()) {
      throw new AssertionError(
          "Arguments: "
              + type
              + " must be known to the fuzzing: give Fixtures an object of it, or Values a value");
    }
    for (int i = 0; i < ATTEMPTS; i++) {
      Object object = result(null, values.pick(makers));
      if (object != null) {
        return object;
      }
    }
    throw new AssertionError("Arguments: no call of " + makers + " succeeded");
  }

  /** Calls some of the object's methods that return such an object. */
  private Object changed(Class<?> type, Object object) {
    List<Method> changes =
        Arrays.stream(type.getMethods())
            .filter(method -> !Modifier.isStatic(method.getModifiers()))
            .filter(method -> method.getReturnType().isAssignableFrom(type))
            .filter(method -> method.getDeclaringClass() != Object.class)
            .toList();
    Object changed = object;
    for (int i = random.nextInt(CHAIN + 1); i > 0 && !changes.isEmpty(); i--) {
      Object next = result(changed, values.pick(changes));
      changed = type.isInstance(next) ? next : changed;
    }
    return changed;
  }

  /** Returns what a call returns, or null if it fails. */
  private Object result(Object receiver, Executable executable) {
    Object[] arguments = of(executable);
    try {
      executable.setAccessible(true);
      return PublicApi.invoke(executable, receiver, arguments);
    } catch (InvocationTargetException refused) {
      return null; // calls of their own are what checks how
    } catch (ReflectiveOperationException error) {
      throw new AssertionError(error);
    }
  }
}
