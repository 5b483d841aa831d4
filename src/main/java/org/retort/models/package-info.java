/** Networks for use as students and teachers: native ones and TorchScript modules. */
@NullMarked
package org.retort.models;

import org.jspecify.annotations.NullMarked;
