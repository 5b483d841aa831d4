/**
 * Knowledge distillation on LibTorch: {@link org.retort.train.TrainingStep} trains a student with a
 * teacher, {@link org.retort.models} has the networks, {@link org.retort.losses} the losses.
 *
 * <p>Everything that owns native memory is {@link AutoCloseable}. Closing twice is harmless, using
 * a closed object is an {@link IllegalStateException}, and closing waits for a call that is running
 * on another thread. What Java can see to be wrong is an {@link IllegalArgumentException}, what
 * native code finds a {@link org.retort.RetortException} or one of its subclasses; both say what is
 * wrong in one line.
 */
package org.retort;
