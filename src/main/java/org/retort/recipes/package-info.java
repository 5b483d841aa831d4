/**
 * Recipes: experiments written as YAML, their parts, and how they become networks, batches and
 * training steps. Independent of the command line; needs SnakeYAML Engine, which is an optional
 * dependency.
 *
 * <p>Each loss's options are read by one class, {@code KdRecipe} and so on, which {@code
 * LossRecipes} lists by loss name; the loss itself checks the values.
 */
@NullMarked
package org.retort.recipes;

import org.jspecify.annotations.NullMarked;
