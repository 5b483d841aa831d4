/**
 * Knowledge distillation on LibTorch: {@link org.retort.train.TrainingStep} trains a student with a
 * teacher, {@link org.retort.models} contains the networks, {@link org.retort.losses} the losses.
 *
 * <p>Everything that owns native memory is {@link AutoCloseable}. Closing twice is harmless, using
 * a closed object throws an {@link IllegalStateException}, and closing waits for calls running on
 * other threads. Errors detected in Java are reported as an {@link IllegalArgumentException}, those
 * detected in native code as a {@link org.retort.RetortException} or one of its subclasses; both
 * say what is wrong in one line.
 *
 * <p>An interrupt does not abort a call: the call completes, and the thread stays interrupted. A
 * process may exit, by {@link System#exit} or otherwise, while calls are running: it waits for them
 * to end, for at most 10 seconds, and keeps its exit status.
 */
@NullMarked
package org.retort;

import org.jspecify.annotations.NullMarked;
