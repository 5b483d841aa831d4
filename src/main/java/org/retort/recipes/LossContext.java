package org.retort.recipes;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.retort.models.Network;

/**
 * What a loss may have to know.
 *
 * @param labels the class of each training sample
 * @param batch the number of samples of a batch
 * @param teacher the teacher as it is when the training begins; null if its outputs are stored
 * @param taps those of the teacher that the loss compares with
 */
record LossContext(long[] labels, int batch, @Nullable Network teacher, List<String> taps) {}
