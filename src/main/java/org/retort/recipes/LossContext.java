package org.retort.recipes;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.retort.models.Network;

/**
 * The information that a loss may need.
 *
 * @param labels the class of each training sample
 * @param batch the number of samples per batch
 * @param teacher the teacher as it is when training begins; null if its outputs are stored
 * @param taps the teacher's taps that the loss compares with
 */
record LossContext(long[] labels, int batch, @Nullable Network teacher, List<String> taps) {}
