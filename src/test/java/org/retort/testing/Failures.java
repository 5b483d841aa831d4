package org.retort.testing;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.retort.RetortException;

/** The three ways in which Retort says no, each with its whole message. */
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

  /** Expects exactly this exception. */
  public static void assertFails(
      ThrowingCallable call, Class<? extends RuntimeException> type, String message) {
    assertThatThrownBy(call).isExactlyInstanceOf(type).hasMessage(message);
  }
}
