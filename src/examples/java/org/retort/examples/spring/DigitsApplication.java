package org.retort.examples.spring;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;

/** Serves the digits: the program. */
@SpringBootApplication(proxyBeanMethods = false)
@EnableConfigurationProperties(DigitsSettings.class)
public class DigitsApplication {
  /**
   * Starts the service, which runs until SIGTERM or SIGINT.
   *
   * @param args settings, for example {@code --server.port=8080}
   */
  public static void main(String... args) {
    SpringApplication.run(DigitsApplication.class, args);
  }
}
