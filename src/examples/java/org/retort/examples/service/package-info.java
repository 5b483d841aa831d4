/**
 * A service over HTTP that answers by a small student while the student learns from a large teacher
 * and from what clients send. Meant to be copied.
 *
 * <p>{@link org.retort.examples.service.DigitsService} is the program, {@link
 * org.retort.examples.service.OnlineService} puts the parts together: the {@code OnlineModel} holds
 * all that is native, the {@code Learner} has the queue and the one thread that trains, {@code Api}
 * knows the requests, {@code HttpFrontEnd} guards the door.
 */
package org.retort.examples.service;
