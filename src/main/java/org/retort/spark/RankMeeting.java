package org.retort.spark;

import java.time.Duration;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.retort.distributed.Ranks;
import org.retort.distributed.RanksListener;
import org.retort.distributed.RanksOptions;

/** Turns the tasks of a barrier stage into ranks. */
final class RankMeeting {
  private RankMeeting() {}

  /**
   * Joins the other ranks of this attempt of the stage: rank 0 opens a port and announces it
   * through Spark.
   *
   * @param timeout how long ranks wait for each other
   * @return new ranks, which the caller closes
   */
  static Ranks join(BarrierTaskContext task, Duration timeout) {
    int size = task.getTaskInfos().length;
    if (size == 1) {
      return Ranks.join(RanksOptions.of());
    }
    // What a dead attempt left in a store must not be found.
    String job =
        SparkEnv.get().conf().getAppId() + "/" + task.stageId() + "/" + task.stageAttemptNumber();
    RanksOptions options =
        RanksOptions.of(task.partitionId(), size, ownHost()).withJob(job).withTimeout(timeout);
    if (options.rank() == 0) {
      try (RanksListener listener = Ranks.listen(options.withPort(0))) {
        task.allGather(listener.address() + " " + listener.port());
        return listener.join();
      }
    }
    String[] place = task.allGather("")[0].split(" ");
    return Ranks.join(options.withAddress(place[0]).withPort(Integer.parseInt(place[1])));
  }

  /** Returns the address at which other executors reach this one. */
  private static String ownHost() {
    return SparkEnv.get().blockManager().blockManagerId().host().replaceAll("[\\[\\]]", "");
  }
}
