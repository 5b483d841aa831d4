package org.retort.examples.spring;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.http.converter.HttpMessageNotReadableException;
import org.springframework.web.ErrorResponseException;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.context.request.WebRequest;
import org.springframework.web.servlet.mvc.method.annotation.ResponseEntityExceptionHandler;

/** Makes whatever goes wrong an answer by RFC 9457 whose {@code detail} is one line. */
@RestControllerAdvice
final class Problems extends ResponseEntityExceptionHandler {
  private static final String RETRY_SECONDS = "1";

  /** Makes the error for a request that is wrong. */
  static ErrorResponseException badRequest(String message, Object... values) {
    return of(HttpStatus.BAD_REQUEST, String.format(message, values));
  }

  /** Makes the error for a request that may be repeated later. */
  static ErrorResponseException unavailable(String message) {
    ErrorResponseException error = of(HttpStatus.SERVICE_UNAVAILABLE, message);
    error.getHeaders().set(HttpHeaders.RETRY_AFTER, RETRY_SECONDS);
    return error;
  }

  static ErrorResponseException of(HttpStatus status, String message) {
    return new ErrorResponseException(
        status, ProblemDetail.forStatusAndDetail(status, message), null);
  }

  @Override
  protected ResponseEntity<Object> handleHttpMessageNotReadable(
      HttpMessageNotReadableException error,
      HttpHeaders headers,
      HttpStatusCode status,
      WebRequest request) {
    String got = "none";
    if (error.getCause() instanceof JsonProcessingException json) {
      JsonLocation place = json.getLocation();
      got =
          place == null
              ? "something else"
              : "something else in line " + place.getLineNr() + ", column " + place.getColumnNr();
    }
    ProblemDetail problem =
        ProblemDetail.forStatusAndDetail(
            status,
            "body must be {\"images\": [[number, …], …]}, to learn with \"labels\": [number or null, …]"
                + " (got "
                + got
                + ")");
    return handleExceptionInternal(error, problem, headers, status, request);
  }
}
