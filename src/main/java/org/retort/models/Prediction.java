package org.retort.models;

import org.retort.internal.Arguments;

/**
 * A class that a network predicts for an image.
 *
 * @param label the class, from 0
 * @param name its name; its number if the predictor has no class names
 * @param probability from 0 to 1
 */
public record Prediction(int label, String name, float probability) {
  /**
   * Creates a prediction.
   *
   * @param label the class, from 0
   * @param name its name
   * @param probability from 0 to 1
   * @throws IllegalArgumentException if the name is null
   */
  public Prediction {
    Arguments.notNull(name, "Prediction", "name");
  }
}
