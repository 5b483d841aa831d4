/** Networks to train and to learn from: native ones and TorchScript modules. */
@NullMarked
package org.retort.models;

import org.jspecify.annotations.NullMarked;
