/** What a training step costs when Java calls it, measured by JMH. */
package org.retort.benchmarks;
