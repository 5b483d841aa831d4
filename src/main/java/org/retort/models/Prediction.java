package org.retort.models;

/**
 * A class that a network predicts for an image.
 *
 * @param label the class, from 0
 * @param name its name; its number if the predictor knows no names
 * @param probability from 0 to 1
 */
public record Prediction(int label, String name, float probability) {}
