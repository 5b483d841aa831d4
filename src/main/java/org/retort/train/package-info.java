/** Training: {@link org.retort.train.TrainingStep} does one step in one native call. */
package org.retort.train;
