package org.retort.internal;

import java.util.concurrent.locks.StampedLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;

/**
 * The native object behind a Java object: open until closed, never freed during a call. Calls of
 * several threads run at the same time; native code makes those wait for each other that must.
 *
 * <p>{@link #ask} and {@link #use} suit most calls. One that must create no object writes
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
 * <p>A thread must not acquire a handle that it holds already: it would wait forever if another
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
   * @param owner the name of the class that has it, for error messages
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

  /** Lets the object be closed again. */
  public void release() {
    lock.tryUnlockRead();
  }

  /**
   * Calls the object and translates its errors.
   *
   * @param question what returns the answer
   * @param <T> the answer's type
   * @return the answer
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
   * Calls the object, without an answer, and translates its errors.
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
   * Turns new calls away, and frees the native object once those that run have ended. Harmless if
   * it was closed already.
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
