package org.retort.internal;

import java.util.concurrent.locks.ReentrantLock;
import org.bytedeco.javacpp.Pointer;

/**
 * The native object behind a Java object: open until closed, used by one thread at a time, never
 * freed during a call.
 *
 * <pre>{@code
 * P pointer = handle.acquire();
 * try {
 *   …
 * } finally {
 *   handle.release();
 * }
 * }</pre>
 *
 * @param <P> the generated class
 */
public final class NativeHandle<P extends Pointer> {
  private final String owner;
  private final ReentrantLock lock = new ReentrantLock();
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
   * Waits until no other thread uses the object, and keeps others out until {@link #release()}.
   *
   * @return the native object
   * @throws IllegalStateException if it was closed
   */
  public P acquire() {
    lock.lock();
    if (pointer == null || pointer.isNull()) {
      lock.unlock();
      throw new IllegalStateException(owner + ": object must be open (got a closed one)");
    }
    return pointer;
  }

  /** Lets other threads in again. */
  public void release() {
    lock.unlock();
  }

  /** Frees the native object once no thread uses it. Harmless if it was closed already. */
  public void close() {
    lock.lock();
    try {
      if (pointer != null) {
        pointer.deallocate();
        pointer = null;
      }
    } finally {
      lock.unlock();
    }
  }
}
