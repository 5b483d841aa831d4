package org.retort.examples.service;

/** A request that is answered with an error. */
final class RequestException extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;

  RequestException(int status, String message) {
    super(message);
    this.status = status;
  }

  /** Returns the status of the answer, 4xx or 5xx. */
  int status() {
    return status;
  }
}
