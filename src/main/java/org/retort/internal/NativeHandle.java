package org.retort.internal;

import java.util.concurrent.locks.StampedLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;

/**
 * The native object behind a Java object: open until closed, never freed during a call. Calls from
 * several threads run concurrently; native code serialises those that must wait for each other.
 *
 * <p>{@link #ask} and {@link #use} suit most calls. A call that must create no objects uses
 *
 * <pre>{@code
 * P pointer = handle.acquire();
 * try {
 *   …
 * } catch (RuntimeException error) {
 *   throw Errors.translate(error);
 * } finally {
 *   handle.release();
 * }
 * }</pre>
 *
 * <p>A thread must not acquire a handle that it already holds: it would wait forever if another
 * thread began to close it in between.
 *
 * @param <P> the generated class
 */
public final class NativeHandle<P extends Pointer> {
  private final String owner;
  private final StampedLock lock = new StampedLock();
  private volatile boolean closing; // readers of the lock overtake a waiting writer
  private P pointer;

  /**
   * Takes ownership of a native object.
   *
   * @param owner the name of the owning class, for error messages
   * @param pointer the native object
   */
  public NativeHandle(String owner, P pointer) {
    this.owner = owner;
    this.pointer = pointer;
    // A PointerScope that happens to be open must not free it, least of all during a call.
    pointer.retainReference();
  }

  /**
   * Keeps the object open until {@link #release()}.
   *
   * @return the native object
   * @throws IllegalStateException if it was closed
   */
  public P acquire() {
    if (!closing) {
      lock.readLock(); // released without its stamp
      if (pointer != null && !pointer.isNull()) {
        return pointer;
      }
      lock.tryUnlockRead();
    }
    throw new IllegalStateException(owner + ": object must be open (got a closed one)");
  }

  /** Allows the object to be closed again. */
  public void release() {
    lock.tryUnlockRead();
  }

  /**
   * Calls the object and translates its errors.
   *
   * @param question the call that returns the result
   * @param <T> the result's type
   * @return the result
   * @throws IllegalStateException if the object was closed
   */
  public <T> T ask(Function<? super P, T> question) {
    P object = acquire();
    try {
      return question.apply(object);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      release();
    }
  }

  /**
   * Calls the object without a result, and translates its errors.
   *
   * @param call the call
   * @throws IllegalStateException if the object was closed
   */
  public void use(Consumer<? super P> call) {
    P object = acquire();
    try {
      call.accept(object);
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    } finally {
      release();
    }
  }

  /**
   * Rejects new calls, and frees the native object once running calls have ended. Has no effect if
   * it is already closed.
   */
  public void close() {
    closing = true;
    long stamp = lock.writeLock();
    try {
      if (pointer != null) {
        pointer.deallocate();
        pointer = null;
      }
    } finally {
      lock.unlockWrite(stamp);
    }
  }
}
