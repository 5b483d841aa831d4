package org.retort.examples.service;

/**
 * An image to learn from.
 *
 * @param image its values
 * @param label its class, or −1 if the teacher alone has to say
 */
record Sample(float[] image, long label) {}
