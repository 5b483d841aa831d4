package org.retort.recipes;

/**
 * What is known of data without them.
 *
 * @param channels of an image
 * @param height of an image
 * @param width of an image
 * @param classes number of classes
 * @param trainSize number of training samples
 */
record DataShape(int channels, int height, int width, int classes, int trainSize) {}
