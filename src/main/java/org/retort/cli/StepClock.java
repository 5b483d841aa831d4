package org.retort.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.retort.data.Batch;
import org.retort.data.DatasetBatches;
import org.retort.models.Network;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.NetworkList;
import org.retort.recipes.Recipe;
import org.retort.recipes.StageRecipe;
import org.retort.train.StepResult;
import org.retort.train.TrainingStep;

/**
 * Measures the steps of all stages of a recipe.
 *
 * @param experiment the recipe, on noise
 * @param warmUp the number of warm-up steps
 * @param steps the number of steps to measure
 */
record StepClock(Experiment experiment, int warmUp, int steps) {
  /** Returns the total number of steps. */
  long allSteps() {
    int stages =
        experiment.recipe().methods().stream().mapToInt(method -> method.stages().size()).sum();
    return (long) stages * (warmUp + steps);
  }

  /** Measures all steps. */
  List<StepTime> measure(Progress progress, Interruption interruption) {
    Recipe recipe = experiment.recipe();
    List<StepTime> times = new ArrayList<>();
    try (NetworkList teachers = experiment.teachers()) {
      for (Method method : recipe.methods()) {
        progress.message(method.name());
        try (Network student = experiment.student(0)) {
          for (int i = 0; i < method.stages().size(); i++) {
            StageRecipe stage = method.stages().get(i);
            try (DatasetBatches batches = experiment.batches(stage, 0);
                TrainingStep step = experiment.step(stage, student, teachers.all())) {
              batches.startEpoch(0);
              times.add(measure(method, i, step, batches.next(), progress, interruption));
            }
          }
        }
      }
    }
    return times;
  }

  private StepTime measure(
      Method method,
      int stage,
      TrainingStep step,
      Batch batch,
      Progress progress,
      Interruption interruption) {
    StepResult result = step.newResult();
    double[] millis = new double[steps];
    for (int i = -warmUp; i < steps; i++) {
      interruption.check();
      long start = System.nanoTime();
      step.run(batch.images(), batch.labels(), batch.indices(), result);
      if (i >= 0) {
        millis[i] = (System.nanoTime() - start) / 1e6;
      }
      progress.stepBy(1);
    }
    double median = median(millis);
    return new StepTime(method.name(), stage, batch.size(), median, 1000 * batch.size() / median);
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    int middle = values.length / 2;
    return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }
}
