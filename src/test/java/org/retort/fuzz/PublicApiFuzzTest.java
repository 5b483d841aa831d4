package org.retort.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.RetortException;
import org.retort.fuzz.PublicApi.Call;
import org.retort.models.Network;

/**
 * Calls every public method and constructor with random arguments, the same ones every time: what
 * fails does so with a named exception, whose message is one line, and the process lives. {@code
 * -Dretort.fuzz.calls} and {@code -Dretort.fuzz.seed} ask for more or others, and with {@code
 * JAZZER_FUZZ=1} Jazzer chooses calls and arguments.
 */
final class PublicApiFuzzTest {
  private static final int TRIES = Integer.getInteger("retort.fuzz.calls", 100);

  /** How many times as often a call is tried if it is refused each time. */
  private static final int PATIENCE = 3;

  private static final long SEED = Long.getLong("retort.fuzz.seed", 20261125);

  /** Of how many calls one may never get arguments that fit; fewer tries find fewer. */
  private static final int RARELY_DONE = TRIES < 1000 ? 10 : 20;

  private static final double WILDNESS = 0.1;

  /** {@code <function>: <argument> must <rule> (got <value>)}. */
  private static final Pattern OURS = Pattern.compile("[^:]+: .+ must .+ \\(got .*\\)");

  private final FuzzedRandom random = new FuzzedRandom(SEED);
  private final List<Call> calls = PublicApi.calls();
  private final int threads = Retort.threads();
  @TempDir private Path folder;
  private Fixtures fixtures;

  @BeforeEach
  void makeFixtures() throws IOException {
    Retort.threads(1);
    fixtures = new Fixtures(folder, random);
  }

  @AfterEach
  void closeFixtures() {
    fixtures.close();
    Retort.threads(threads);
  }

  @Test
  void calls_areThoseOfEveryPackage() {
    List<String> names = calls.stream().map(Call::name).toList();
    assertThat(names)
        .contains(
            "Retort.threads(int)",
            "Taps(List, List)",
            "Sgd.withSchedule(Schedule)",
            "ResNet.predict(FloatBuffer)",
            "TorchScriptNetwork.predict(FloatBuffer)",
            "TrainingStepBuilder.build()",
            "NstLoss.compute(List, List)",
            "Digits.labeled(long, int)")
        .doesNotHaveDuplicates();
  }

  @TestFactory
  Stream<DynamicTest> everyCall_anyArguments_isDoneOrRefusedByName() {
    List<String> neverDone = new ArrayList<>();
    return Stream.concat(
        calls.stream()
            .map(call -> DynamicTest.dynamicTest(call.name(), () -> fuzz(call, neverDone))),
        Stream.of(
            DynamicTest.dynamicTest(
                "most are done at least once",
                () -> assertThat(neverDone).hasSizeLessThan(calls.size() / RARELY_DONE))));
  }

  private void fuzz(Call call, List<String> neverDone) throws IOException {
    fixtures.renew();
    random.setSeed(SEED + call.name().hashCode());
    int most = call.executable().getParameterCount() == 0 ? Math.min(TRIES, 50) : TRIES;
    int tries = call.isDear() ? Math.max(1, TRIES / 10) : most;
    int done = 0;
    for (int i = 0; i < tries || done == 0 && i < PATIENCE * tries; i++) {
      done += fuzzOnce(call) ? 1 : 0;
      Retort.threads(1);
      fixtures.used();
    }
    if (done == 0) {
      neverDone.add(call.name());
    }
  }

  @TestFactory
  Stream<DynamicTest> everyCall_nullForWhatIsNotNullable_isRefused() {
    return calls.stream()
        .filter(call -> !call.takesAnyNull())
        .flatMap(
            call ->
                IntStream.range(0, call.executable().getParameterCount())
                    .filter(i -> !call.executable().getParameterTypes()[i].isPrimitive())
                    .mapToObj(
                        i ->
                            DynamicTest.dynamicTest(
                                call.name() + " " + call.executable().getParameters()[i].getName(),
                                () -> passNull(call, i))));
  }

  @SuppressWarnings("try") // the scope works by being open
  private void passNull(Call call, int parameter) throws IOException {
    fixtures.renew();
    random.setSeed(SEED);
    try (PointerScope scope = new PointerScope()) {
      Arguments source = new Arguments(random, fixtures, 0);
      boolean isMethod = call.executable() instanceof Method;
      Object receiver = call.isStatic() || !isMethod ? null : source.object(call.type());
      Object[] arguments = source.of(call.executable());
      arguments[parameter] = null;
      try {
        PublicApi.invoke(call.executable(), receiver, arguments);
        assertThat(call.isNullable(parameter))
            .as("%s takes null, which is not said", call.name())
            .isTrue();
      } catch (InvocationTargetException refused) {
        check(call.executable(), arguments, refused.getCause());
        if (!call.isNullable(parameter)) {
          assertThat(refused).hasCauseExactlyInstanceOf(IllegalArgumentException.class);
        } else {
          assertThat(refused.getCause().getMessage()).doesNotContain("(got null)");
        }
      } catch (ReflectiveOperationException error) {
        throw new AssertionError(error);
      }
    }
    fixtures.used();
  }

  @FuzzTest
  void anyCall_anyArguments_isDoneOrRefusedByName(FuzzedDataProvider data) {
    random.restart(data);
    fuzzOnce(calls.get(random.nextInt(calls.size())));
    Retort.threads(1);
    fixtures.used();
  }

  @SuppressWarnings("try") // the scope works by being open
  private boolean fuzzOnce(Call call) {
    try (PointerScope scope = new PointerScope()) {
      Object receiver = null;
      if (!call.isStatic() && call.executable() instanceof Method) {
        receiver = new Arguments(random, fixtures, 0).object(call.type());
      }
      Object[] arguments = new Arguments(random, fixtures, WILDNESS).of(call.executable());
      try {
        Object result = PublicApi.invoke(call.executable(), receiver, arguments);
        if (call.isStatic() && result instanceof Network network) {
          network.close(); // large ones would fill the memory before the next garbage collection
        }
        return true;
      } catch (InvocationTargetException refused) {
        check(call.executable(), arguments, refused.getCause());
      } catch (ReflectiveOperationException error) {
        throw new AssertionError(error);
      }
    }
    return false;
  }

  private static void check(Executable executable, Object[] arguments, Throwable error) {
    String message = String.valueOf(error.getMessage());
    if (!isNamed(error) || !isOneLine(message) || !isInForm(error, message)) {
      throw new AssertionError(
          executable + " called with " + Arrays.deepToString(arguments) + " threw this", error);
    }
  }

  private static boolean isNamed(Throwable error) {
    return error.getClass() == IllegalArgumentException.class
        || error.getClass() == IllegalStateException.class
        || error.getClass() == NoSuchElementException.class
        || error instanceof RetortException;
  }

  private static boolean isOneLine(String message) {
    return !message.isBlank() && message.lines().count() == 1 && !message.contains("frame #");
  }

  /** What LibTorch says is in words of its own. */
  private static boolean isInForm(Throwable error, String message) {
    return error instanceof RetortException || OURS.matcher(message).matches();
  }
}
