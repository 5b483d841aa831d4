package org.retort.spark;

import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;

/**
 * Random images, of which no value is where an activation turns: rounding stays rounding.
 *
 * @param size how many
 */
record Noise(int size) implements Dataset {
  @Override
  public int classes() {
    return 10;
  }

  @Override
  public ImageShape shape() {
    return new ImageShape(1, 8, 8);
  }

  @Override
  public int label(int index) {
    return index * 7 % 10;
  }

  @Override
  public void read(int index, FloatBuffer image) {
    SplittableRandom random = new SplittableRandom(index);
    for (int i = 0; i < 64; i++) {
      image.put((float) random.nextDouble());
    }
  }
}
