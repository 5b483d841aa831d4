/**
 * Training over the executors of a Spark cluster, and prediction with what was trained. {@link
 * org.retort.spark.SparkDistillation} trains, {@link org.retort.spark.SparkPrediction} predicts.
 *
 * <p>Needs {@code spark-sql_2.13}, which the cluster provides and Retort does not bring.
 *
 * @serial exclude
 */
@NullMarked
package org.retort.spark;

import org.jspecify.annotations.NullMarked;
