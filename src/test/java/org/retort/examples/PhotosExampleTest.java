package org.retort.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.models.Network;
import org.retort.models.Prediction;
import org.retort.models.ResNet;
import org.retort.train.Sgd;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

final class PhotosExampleTest {
  private static final int SIDE = 32;
  private static final Map<String, Color> KINDS =
      Map.of(
          "grass",
          new Color(40, 170, 50),
          "sea",
          new Color(30, 70, 190),
          "brick",
          Color.RED.darker());

  private final Random random = new Random(1);

  @TempDir private Path folder;

  @Test
  void distill_photosOfThreeKinds_areToldApart() throws IOException {
    for (Map.Entry<String, Color> kind : KINDS.entrySet()) {
      Path ofKind = Files.createDirectories(folder.resolve("photos/" + kind.getKey()));
      for (int i = 0; i < 15; i++) {
        photo(ofKind.resolve(i + ".png"), kind.getValue());
      }
    }
    Retort.manualSeed(1);
    Path teacher = teacher();
    Path sea = folder.resolve("another.png");
    photo(sea, KINDS.get("sea"));
    Path saved = folder.resolve("student");
    List<Prediction> predicted =
        PhotosExample.distill(folder.resolve("photos"), teacher, "resnet8", SIDE, saved, sea);
    assertThat(predicted)
        .extracting(Prediction::name)
        .startsWith("sea")
        .containsExactlyInAnyOrder("brick", "grass", "sea");
    assertThat(predicted.get(0).probability()).isGreaterThan(0.5f);
    assertThat(saved.resolve("model.json")).content().contains("\"resnet8\"", "\"grass\"");
  }

  /** A program of a network that knows the pictures. */
  private Path teacher() {
    ImageFolder images = ImageFolder.open(folder.resolve("photos"), new ImageShape(3, SIDE, SIDE));
    Path file = folder.resolve("teacher.ts");
    try (Network network = ResNet.cifar(8, images.classes());
        DatasetBatches batches = DatasetBatches.builder(images).size(15).build();
        TrainingStep step =
            TrainingStep.builder(network)
                .inputShape(images.inputShape())
                .crossEntropy(1)
                .optimizer(Sgd.of(0.05).withMomentum(0.9))
                .build()) {
      Trainer.builder(step, batches).epochs(6).build().run();
      network.saveTorchScript(file);
    }
    return file;
  }

  /** Something of a color before a background of any. */
  private void photo(Path file, Color color) throws IOException {
    BufferedImage image = new BufferedImage(60, 45, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    graphics.setColor(new Color(random.nextInt(1 << 24)));
    graphics.fillRect(0, 0, 60, 45);
    graphics.setColor(color);
    graphics.fillOval(random.nextInt(10), random.nextInt(5), 45, 38);
    graphics.dispose();
    ImageIO.write(image, "png", file.toFile());
  }
}
