/**
 * A Spring Boot service that answers by a small student while the student learns from a large
 * teacher and from what clients send. Meant to be copied.
 *
 * <p>{@code ModelConfiguration} makes beans of what is native, {@code Startup} loads it once the
 * port is open, the {@code Learner} has the queue and the one thread that trains, {@code
 * DigitsController} knows the requests and {@code Gate} guards the door; two health indicators tell
 * what the probes ask for.
 */
package org.retort.examples.spring;
