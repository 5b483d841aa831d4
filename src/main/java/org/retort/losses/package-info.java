/**
 * The losses. Each class holds the options of a loss as a term of a {@link
 * org.retort.train.TrainingStep}, and offers the loss itself as a function of tensors.
 */
@NullMarked
package org.retort.losses;

import org.jspecify.annotations.NullMarked;
