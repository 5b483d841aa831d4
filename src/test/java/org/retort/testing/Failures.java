package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.retort.FileException;
import org.retort.RetortException;

/** The ways in which Retort says no, each with its whole message. */
public final class Failures {
  private Failures() {}

  /** Expects what Java can see to be wrong. */
  public static void assertIllegal(ThrowingCallable call, String message) {
    assertFails(call, IllegalArgumentException.class, message);
  }

  /** Expects the complaint about something closed, or not ready. */
  public static void assertUnusable(ThrowingCallable call, String message) {
    assertFails(call, IllegalStateException.class, message);
  }

  /** Expects what native code finds to be wrong. */
  public static void assertRefused(ThrowingCallable call, String message) {
    assertFails(call, RetortException.class, message);
  }

  /** Expects a file or stream to be wrong. */
  public static void assertFileRefused(ThrowingCallable call, String message) {
    assertFails(call, FileException.class, message);
  }

  /**
   * Expects a tensor to be checked for being given, defined and open.
   *
   * @param argument how messages begin, for example {@code KdLoss.compute: student}
   */
  public static void assertChecked(String argument, Consumer<Tensor> call) {
    assertIllegal(() -> call.accept(null), argument + " must be given (got null)");
    assertIllegal(
        () -> call.accept(new Tensor()), argument + " must be defined (got an undefined tensor)");
    Tensor closed = torch.zeros(1);
    closed.close();
    assertUnusable(() -> call.accept(closed), argument + " must be open (got a closed tensor)");
  }

  /** Expects this exception or a special case of it. */
  public static void assertFails(
      ThrowingCallable call, Class<? extends RuntimeException> type, String message) {
    assertThatThrownBy(call).isInstanceOf(type).hasMessage(message);
  }
}
