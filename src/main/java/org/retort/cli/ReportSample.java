package org.retort.cli;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.retort.data.ImageShape;
import org.retort.models.Prediction;

/**
 * A sample in a report, with the networks' predictions for it.
 *
 * @param name its name, for example its number or file name
 * @param png its picture, see {@link #picture}; empty if the sample is not a picture
 * @param text its values or the like, for those who can't see the picture; may be empty
 * @param label its class, from 0
 * @param predictions each network's most probable classes, the most probable first, in the order of
 *     the report's networks
 */
record ReportSample(
    String name, Optional<byte[]> png, String text, int label, List<List<Prediction>> predictions) {
  /** Pictures with more rows or columns are scaled down. */
  private static final int MOST_PIXELS = 96;

  private static final int MOST_VALUES = 8;

  /**
   * Returns a data set's sample, as a picture if it is one and as its first values otherwise.
   *
   * @param name as above
   * @param shape the shape of the sample
   * @param values [C, H, W]; those of a picture from 0 to 1
   * @param label as above
   * @param predictions as above
   */
  static ReportSample of(
      String name, ImageShape shape, float[] values, int label, List<List<Prediction>> predictions)
      throws IOException {
    Optional<byte[]> png = picture(shape, values);
    return new ReportSample(name, png, png.isPresent() ? "" : text(values), label, predictions);
  }

  private static String text(float[] values) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < Math.min(values.length, MOST_VALUES); i++) {
      text.append(i == 0 ? "" : ", ").append(TableReport.number("%.4g", values[i]));
    }
    return text.append(values.length > MOST_VALUES ? ", …" : "").toString();
  }

  /** Returns whether a network is right. */
  boolean isRight(int network) {
    return predictions.get(network).get(0).label() == label;
  }

  private boolean isRight() {
    for (int network = 0; network < predictions.size(); network++) {
      if (!isRight(network)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Chooses samples to show: up to half of them ones that a network gets wrong, spread over as many
   * classes as possible, in the order of the classes.
   *
   * @param candidates the samples to choose from, in order of preference
   * @param count how many to choose; all if there are fewer
   */
  static List<ReportSample> choose(List<ReportSample> candidates, int count) {
    List<ReportSample> wrong = candidates.stream().filter(sample -> !sample.isRight()).toList();
    List<ReportSample> right = candidates.stream().filter(ReportSample::isRight).toList();
    int ofWrong = Math.min(wrong.size(), Math.max(count / 2, count - right.size()));
    List<ReportSample> chosen = new ArrayList<>(ofEachClass(wrong, ofWrong));
    chosen.addAll(ofEachClass(right, count - ofWrong));
    chosen.sort((one, other) -> Integer.compare(one.label(), other.label()));
    return chosen;
  }

  /** Takes one sample of each class, then another of each, until there are enough. */
  private static List<ReportSample> ofEachClass(List<ReportSample> samples, int count) {
    Map<Integer, List<ReportSample>> byClass = new LinkedHashMap<>();
    samples.forEach(
        sample -> byClass.computeIfAbsent(sample.label(), key -> new ArrayList<>()).add(sample));
    List<ReportSample> taken = new ArrayList<>();
    int most = Math.min(count, samples.size());
    for (int round = 0; taken.size() < most; round++) {
      for (List<ReportSample> ofClass : byClass.values()) {
        if (round < ofClass.size() && taken.size() < most) {
          taken.add(ofClass.get(round));
        }
      }
    }
    return taken;
  }

  /**
   * Returns the picture of a data set's sample as PNG.
   *
   * @param shape the shape of the sample; one or three channels are grey or red, green and blue
   * @param values [C, H, W], each from 0 to 1
   * @return the picture, no larger than a report needs; empty if the shape is not that of a picture
   */
  static Optional<byte[]> picture(ImageShape shape, float[] values) throws IOException {
    Optional<BufferedImage> image = image(shape, values);
    if (image.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(Drawing.png(image.get()));
  }

  /** Returns the same, not yet as PNG. */
  static Optional<BufferedImage> image(ImageShape shape, float[] values) {
    boolean isGrey = shape.channels() == 1;
    if (!isGrey && shape.channels() != 3 || shape.height() == 1 || shape.width() == 1) {
      return Optional.empty();
    }
    BufferedImage image =
        new BufferedImage(
            shape.width(),
            shape.height(),
            isGrey ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_INT_RGB);
    int pixels = shape.height() * shape.width();
    for (int i = 0; i < pixels; i++) {
      int x = i % shape.width();
      int y = i / shape.width();
      if (isGrey) {
        image.getRaster().setSample(x, y, 0, level(values[i]));
      } else {
        int green = level(values[pixels + i]);
        image.setRGB(x, y, level(values[i]) << 16 | green << 8 | level(values[2 * pixels + i]));
      }
    }
    return Optional.of(reduced(image));
  }

  private static int level(float value) {
    return Math.max(0, Math.min(255, Math.round(255 * value)));
  }

  /** Halves an image until it is small, so that every pixel counts. */
  private static BufferedImage reduced(BufferedImage image) {
    int longer = Math.max(image.getWidth(), image.getHeight());
    if (longer <= MOST_PIXELS) {
      return image;
    }
    double factor = Math.max(0.5, (double) MOST_PIXELS / longer);
    BufferedImage smaller =
        new BufferedImage(
            (int) Math.max(1, Math.round(factor * image.getWidth())),
            (int) Math.max(1, Math.round(factor * image.getHeight())),
            image.getType());
    Graphics2D graphics = smaller.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
      graphics.drawImage(image, 0, 0, smaller.getWidth(), smaller.getHeight(), null);
    } finally {
      graphics.dispose();
    }
    return reduced(smaller);
  }
}
