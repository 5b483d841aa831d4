/**
 * Training on the executors of a Spark cluster, and prediction with the trained networks. {@link
 * org.retort.spark.SparkDistillation} trains, {@link org.retort.spark.SparkPrediction} predicts.
 *
 * <p>Requires {@code spark-sql_2.13}, which the cluster provides and Retort does not include.
 *
 * @serial exclude
 */
@NullMarked
package org.retort.spark;

import org.jspecify.annotations.NullMarked;
