/**
 * Recipes: experiments written down as YAML, what they are made of, and how they become networks,
 * batches and training steps. Knows no command line; needs SnakeYAML Engine, which is an optional
 * dependency.
 *
 * <p>A loss's options are spelled in one class, {@code KdRecipe} and so on, which {@code
 * LossRecipes} lists by the losses' names; what a value must be, the loss itself checks.
 */
@NullMarked
package org.retort.recipes;

import org.jspecify.annotations.NullMarked;
