package org.retort.examples.spring;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Component;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/** Refuses requests before their body is read. */
@Component
final class Gate implements HandlerInterceptor, WebMvcConfigurer {
  /** The longest body, in bytes. */
  static final int MAX_BODY = 256 * 1024;

  private final Startup startup;

  Gate(Startup startup) {
    this.startup = startup;
  }

  @Override
  public void addInterceptors(InterceptorRegistry registry) {
    registry.addInterceptor(this).addPathPatterns("/predict", "/learn");
  }

  @Override
  public boolean preHandle(
      HttpServletRequest request, HttpServletResponse response, Object handler) {
    if (!startup.isDone()) {
      throw Problems.unavailable("model must be loaded (got none yet)");
    }
    long length = request.getContentLengthLong();
    if (length < 0) {
      throw Problems.of(HttpStatus.LENGTH_REQUIRED, "body must have a Content-Length (got none)");
    }
    if (length > MAX_BODY) {
      throw Problems.of(
          HttpStatus.PAYLOAD_TOO_LARGE,
          "body must have at most " + MAX_BODY + " bytes (got " + length + ")");
    }
    return true;
  }
}
