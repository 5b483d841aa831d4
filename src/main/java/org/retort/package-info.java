/**
 * Knowledge distillation on LibTorch: {@link org.retort.train.TrainingStep} trains a student with a
 * teacher, {@link org.retort.models} has the networks, {@link org.retort.losses} the losses.
 *
 * <p>Everything that owns native memory is {@link AutoCloseable}. Closing twice is harmless, using
 * a closed object is an {@link IllegalStateException}, and closing waits for a call that is running
 * on another thread. What Java can see to be wrong is an {@link IllegalArgumentException}, what
 * native code finds a {@link org.retort.RetortException} or one of its subclasses; both say what is
 * wrong in one line.
 *
 * <p>An interrupt does not disturb a call: it completes, and the thread stays interrupted. A
 * process may end, by {@link System#exit} or otherwise, while threads are in calls: it waits until
 * those have ended, for at most 10 seconds, and keeps its exit status.
 */
@NullMarked
package org.retort;

import org.jspecify.annotations.NullMarked;
