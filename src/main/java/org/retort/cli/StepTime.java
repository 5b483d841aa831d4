package org.retort.cli;

/**
 * The time that a step takes.
 *
 * @param method the method
 * @param stage its stage, from 0
 * @param batch samples per step
 * @param medianMillis the median time of the measured steps
 * @param samplesPerSecond the throughput at that pace
 */
record StepTime(
    String method, int stage, int batch, double medianMillis, double samplesPerSecond) {}
