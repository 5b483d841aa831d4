package org.retort.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.retort.Retort;
import org.retort.models.ModelDescription;
import org.retort.models.Preprocessing;
import org.retort.recipes.Experiment;
import org.retort.recipes.Method;
import org.retort.recipes.Recipe;
import org.retort.recipes.TeacherRecipe;

/**
 * Everything needed to rerun an experiment, and where it was run.
 *
 * @param command the command line
 * @param recipe the whole recipe, as read
 * @param options the changes to it
 * @param methods the methods that were run
 * @param seeds the number of seeds
 * @param device the device on which networks were trained
 * @param ranks the number of processes that shared the work
 * @param threads the number of LibTorch threads of each
 * @param jobs the number of students trained at the same time, which shared the threads
 * @param versions the versions of the software used
 * @param machine the machine it ran on
 * @param data who made the data, and how many there are
 */
record ExperimentReport(
    String command,
    String recipe,
    Options options,
    List<String> methods,
    int seeds,
    String device,
    int ranks,
    int threads,
    int jobs,
    Versions versions,
    Machine machine,
    Data data) {
  /**
   * What options can change in a recipe, with the changes applied. They can't change several
   * teachers, and there is nothing to report of a teacher that is not trained.
   */
  record Options(
      String recipe,
      String teacher,
      String teacherFile,
      Long teacherSeed,
      Integer teacherEpochs,
      String student,
      int epochs,
      Integer labelsPerClass,
      Map<String, Double> weights,
      String data) {}

  record Versions(String retort, String java, String cpuKernels) {}

  /** The data, and how networks see them. */
  record Data(
      String name,
      String credit,
      int trainImages,
      int testImages,
      List<Long> inputShape,
      List<String> classes,
      String preprocessing) {}

  /** Creates the report of an experiment. */
  static ExperimentReport of(Settings settings, Experiment experiment, String command) {
    Recipe recipe = settings.recipe();
    return new ExperimentReport(
        command,
        recipe.text(),
        new Options(
            recipe.name(),
            String.join(", ", recipe.teacherTitles()),
            teacherFile(recipe),
            ofTeacher(recipe, TeacherRecipe::seed),
            ofTeacher(recipe, TeacherRecipe::epochs),
            recipe.student().network().name(),
            recipe.student().epochs(),
            recipe.data().labelsPerClass().isPresent()
                ? Integer.valueOf(recipe.data().labelsPerClass().getAsInt())
                : null,
            recipe.weights(),
            settings.data().map(Path::toString).orElse(null)),
        settings.methods().stream().map(Method::name).toList(),
        settings.seeds(),
        experiment.device(),
        experiment.ranks().size(),
        settings.threads(),
        settings.jobs(),
        new Versions(
            Retort.version(), System.getProperty("java.runtime.version"), Retort.cpuKernels()),
        Machine.here(),
        new Data(
            recipe.data().name(),
            experiment.credit(),
            experiment.trainSize(),
            experiment.testSize(),
            experiment.preprocessing().inputShape(),
            experiment.test().classNames(),
            preprocessing(experiment)));
  }

  private static String preprocessing(Experiment experiment) {
    Preprocessing how = experiment.preprocessing();
    ModelDescription model = experiment.description();
    String resized =
        model.resize() > 0 ? "shorter side scaled to %d, ".formatted(model.resize()) : "";
    if (model.columns().isPresent()) {
      return "columns of a table, standardised as its training part says";
    }
    return resized
        + (how.mean().isEmpty()
            ? "not normalised"
            : "mean %s, deviation %s".formatted(how.mean(), how.deviation()));
  }

  private static String teacherFile(Recipe recipe) {
    return recipe.teachers().size() == 1
        ? recipe.teacher().network().weights().map(Path::toString).orElse(null)
        : null;
  }

  private static <T> T ofTeacher(Recipe recipe, Function<TeacherRecipe, T> number) {
    return recipe.teachers().isEmpty() ? null : number.apply(recipe.teachers().get(0));
  }

  /** Returns whether the runs of both belong together; methods and seeds may differ. */
  boolean isSameExperiment(ExperimentReport other) {
    return recipe.equals(other.recipe)
        && options.equals(other.options)
        && Objects.equals(device, other.device);
  }
}
