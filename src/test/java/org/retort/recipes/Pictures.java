package org.retort.recipes;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** Pictures of a class. */
final class Pictures {
  private Pictures() {}

  /** Writes pictures into a folder, whose shorter side is {@code side}. */
  static void write(Path folder, int side, int count, int type) throws IOException {
    Files.createDirectories(folder);
    for (int i = 0; i < count; i++) {
      BufferedImage picture = new BufferedImage(side + 3 * i % 7, side, type);
      picture.setRGB(i, i, 0xffffff);
      ImageIO.write(picture, "png", folder.resolve(i + ".png").toFile());
    }
  }
}
