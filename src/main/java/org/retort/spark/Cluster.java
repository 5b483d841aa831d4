package org.retort.spark;

import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;
import org.jspecify.annotations.Nullable;

/** The requirements that the ranks of a training have of a cluster. */
final class Cluster {
  private static final String TRAIN = "SparkDistillation.train";
  private static final long POLL_MILLIS = 200;

  private final SparkContext context;
  private final @Nullable ResourceProfile profile; // null for the application's

  Cluster(SparkContext context) {
    this.context = context;
    profile = profile(context);
  }

  private static @Nullable ResourceProfile profile(SparkContext context) {
    SparkConf conf = context.conf();
    int ofExecutor = conf.getInt("spark.executor.cores", 1);
    if (context.isLocal() || ofExecutor <= conf.getInt("spark.task.cpus", 1)) {
      return null;
    }
    return new ResourceProfileBuilder()
        .require(new TaskResourceRequests().cpus(ofExecutor))
        .build();
  }

  /** Requires executors that stay: ranks can't come and go. */
  void requireStaticAllocation() {
    SparkConf conf = context.conf();
    if (!context.isLocal() && conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
      throw new IllegalStateException(
          TRAIN
              + ": spark.dynamicAllocation.enabled must be false, since all ranks start together"
              + " and Spark would wait for executors that it has not asked for (got true)");
    }
  }

  /** Gives each rank all cores of an executor, where the cluster can do so. */
  <T> RDD<T> withCores(RDD<T> stage) {
    return profile == null ? stage : stage.withResources(profile);
  }

  /**
   * Requires a slot for each rank. An application that has just started is given the time that
   * Spark itself gives executors to register.
   */
  void requireSlots(int ranks) throws InterruptedException {
    ResourceProfile ofRanks =
        profile == null ? context.resourceProfileManager().defaultResourceProfile() : profile;
    context.resourceProfileManager().addResourceProfile(ofRanks);
    long end =
        context.startTime()
            + context
                .conf()
                .getTimeAsMs("spark.scheduler.maxRegisteredResourcesWaitingTime", "30s");
    int slots = context.maxNumConcurrentTasks(ofRanks);
    while (slots < ranks && !context.isLocal() && System.currentTimeMillis() < end) {
      Thread.sleep(POLL_MILLIS);
      slots = context.maxNumConcurrentTasks(ofRanks);
    }
    if (slots < ranks) {
      throw new IllegalStateException(
          "%s: cluster must have at least %d slots, one for each rank (got %d)"
              .formatted(TRAIN, ranks, slots));
    }
  }
}
