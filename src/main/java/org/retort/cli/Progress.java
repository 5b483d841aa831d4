package org.retort.cli;

import java.util.function.Consumer;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * A single progress bar for the whole command, on stderr: how much is done, how fast, and the time
 * left; without a terminal, a line every few seconds.
 */
final class Progress implements AutoCloseable {
  /** The unit of commands that train. */
  static final String IMAGES = "images";

  private static final int TERMINAL_MILLIS = 200;
  private static final int PLAIN_MILLIS = 5000;
  private static final int PLAIN_WIDTH = 160;

  /** Prints each state of the bar on its own line; the last one, which comes twice, only once. */
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
   * @param unit the unit to count, for example {@code images}
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

  /** Counts without showing anything, in a process whose work another process shows. */
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
  @SuppressWarnings("SystemConsoleNull") // from Java 22, a bar in place is always shown
  static boolean isTerminal() {
    return System.console() != null || LaunchedRank.isOnTerminal();
  }

  /** Shows what is being done. */
  void message(String text) {
    bar.setExtraMessage(" " + text); // the rate comes right before it
  }

  /** Counts finished work. */
  void stepBy(long count) {
    bar.stepBy(count);
  }

  /** Leaves out earlier work, which does not affect the time left. */
  void skip(long count) {
    bar.maxHint(bar.getMax() - count);
  }

  @Override
  public void close() {
    bar.close();
  }
}
