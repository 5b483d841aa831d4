/**
 * Distributed training: {@link org.retort.distributed.Ranks} are the processes that train one
 * student together.
 */
@NullMarked
package org.retort.distributed;

import org.jspecify.annotations.NullMarked;
