package org.retort.examples;

import java.nio.file.Path;
import java.util.List;
import org.retort.data.Augmentation;
import org.retort.data.DatasetBatches;
import org.retort.data.ImageFolder;
import org.retort.data.ImageShape;
import org.retort.data.Split;
import org.retort.losses.KdLoss;
import org.retort.models.ModelDescription;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.models.Preprocessing;
import org.retort.models.SavedModel;
import org.retort.models.TorchScriptNetwork;
import org.retort.train.Evaluation;
import org.retort.train.Sgd;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;

/**
 * The example of photos in docs/training.md: from folders of images to the classes of another one.
 */
final class PhotosExample {
  private static final double[] MEAN = {0.485, 0.456, 0.406};
  private static final double[] DEVIATION = {0.229, 0.224, 0.225};

  private PhotosExample() {}

  static List<Prediction> distill(
      Path photos, Path teacherFile, String studentName, int side, Path folder, Path photo) {
    ImageFolder images = ImageFolder.open(photos, new ImageShape(3, side, side));
    Split split = Split.of(images, 0.2, 1); // a fifth of each class for validation
    Augmentation changes = Augmentation.none().withRandomResizedCrop(0.5, 1).withFlip(0.5);
    try (Network teacher = TorchScriptNetwork.load(teacherFile); // such as a folder's student.ts
        Network student = Networks.createFor(studentName, images.classes(), images.inputShape());
        DatasetBatches training =
            DatasetBatches.builder(split.training()).size(16).augmentation(changes).build();
        DatasetBatches validation = DatasetBatches.inOrder(split.validation(), 16);
        TrainingStep step =
            TrainingStep.builder(student, teacher)
                .preprocessing(Preprocessing.of(3, side, side).withNormalization(MEAN, DEVIATION))
                .crossEntropy(0.1)
                .add(0.9, KdLoss.of(4))
                .optimizer(Sgd.of(0.05).withMomentum(0.9))
                .build()) {
      Trainer.builder(step, training)
          .epochs(12)
          .evaluate(() -> Evaluation.accuracy(student, validation))
          .build()
          .run();
      ModelDescription about = ModelDescription.of(studentName).withClassNames(images.classNames());
      SavedModel.save(folder, student, about);
    }
    try (Predictor predictor = Predictor.load(folder)) { // later, in another process
      return predictor.top(3, photo);
    }
  }
}
