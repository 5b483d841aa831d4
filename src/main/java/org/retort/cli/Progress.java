package org.retort.cli;

import java.util.function.Consumer;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * One bar over all that a command does, on stderr: how much is done, how fast, and the time that is
 * left; without a terminal, a line every few seconds.
 */
final class Progress implements AutoCloseable {
  /** The unit of commands that train. */
  static final String IMAGES = "images";

  private static final int TERMINAL_MILLIS = 200;
  private static final int PLAIN_MILLIS = 5000;
  private static final int PLAIN_WIDTH = 160;

  /** Prints each state of the bar on a line of its own, the last one, which comes twice, once. */
  private static final class Lines implements Consumer<String> {
    private String last = "";

    @Override
    public void accept(String line) {
      if (!line.equals(last)) {
        System.err.println(line);
      }
      last = line;
    }
  }

  private final ProgressBar bar;

  private Progress(ProgressBar bar) {
    this.bar = bar;
  }

  /**
   * Shows the bar at zero.
   *
   * @param unit what is counted, for example {@code images}
   */
  static Progress start(String task, String unit, long count) {
    ProgressBarBuilder builder =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setStyle(ProgressBarStyle.ASCII)
            .setInitialMax(count)
            .setUnit(" " + unit, 1)
            .showSpeed();
    if (isTerminal()) {
      builder.setUpdateIntervalMillis(TERMINAL_MILLIS);
    } else {
      builder
          .setUpdateIntervalMillis(PLAIN_MILLIS)
          .setConsumer(new DelegatingProgressBarConsumer(new Lines(), PLAIN_WIDTH));
    }
    return new Progress(builder.build());
  }

  /** Counts without showing anything, in a process whose work another one shows. */
  static Progress silent(String task, long count) {
    return new Progress(
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(count)
            .setUpdateIntervalMillis(PLAIN_MILLIS)
            .setConsumer(new DelegatingProgressBarConsumer(line -> {}, PLAIN_WIDTH))
            .build());
  }

  /** Returns whether the bar is shown in place. */
  @SuppressWarnings("SystemConsoleNull") // from Java 22 on a bar in place is shown in any case
  static boolean isTerminal() {
    return System.console() != null || LaunchedRank.isOnTerminal();
  }

  /** Says what is being done. */
  void message(String text) {
    bar.setExtraMessage(" " + text); // the rate comes right before
  }

  /** Counts what was done. */
  void stepBy(long count) {
    bar.stepBy(count);
  }

  /** Leaves out what was done before, of which the time that is left does not depend. */
  void skip(long count) {
    bar.maxHint(bar.getMax() - count);
  }

  @Override
  public void close() {
    bar.close();
  }
}
