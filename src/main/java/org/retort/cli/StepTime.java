package org.retort.cli;

/**
 * How long a step takes.
 *
 * @param method the method
 * @param stage its stage, from 0
 * @param batch samples per step
 * @param medianMillis of the steps that were measured
 * @param samplesPerSecond at that pace
 */
record StepTime(
    String method, int stage, int batch, double medianMillis, double samplesPerSecond) {}
