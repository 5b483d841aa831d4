package org.retort.recipes;

import java.util.List;
import org.retort.models.Network;

/**
 * What a loss may have to know.
 *
 * @param labels the class of each training sample
 * @param teacher the teacher as it is when the training begins
 * @param norms the teacher's BatchNorms before the ReLUs of the loss's taps; none if not known
 */
record LossContext(long[] labels, Network teacher, List<String> norms) {}
