package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;
import org.retort.internal.Arguments;
import org.retort.internal.NativeFiles;
import org.retort.models.Network;
import org.retort.models.Preprocessing;

/**
 * A network to learn from, and how it runs, or outputs that were stored. Immutable: each method
 * returns a changed copy. Does not own the network or the outputs.
 *
 * @param name by which terms name it: letters, digits, {@code _} and {@code -}
 * @param network the network; none if its outputs are stored or come with each batch ({@link
 *     StepInput#withTeacher})
 * @param storedOutputs the outputs of a teacher that is not there, in place of a network
 * @param weight its part in means of several teachers, at least 0 and finite; the weights of the
 *     teachers that a term mixes are divided by their sum
 * @param preprocessing the size and normalisation of its images
 * @param memoryFormat how its maps lie in memory; if none, as {@link
 *     TrainingStepBuilder#memoryFormat} says
 * @param precision the arithmetic of its forward pass
 * @param batchNorm the mode of its BatchNorms
 * @param cacheSamples the number of rows of the data set whose outputs are cached; 0 for no cache
 * @param cacheFile the file of the cache; in memory if none
 */
public record Teacher(
    String name,
    Optional<Network> network,
    Optional<StoredOutputs> storedOutputs,
    double weight,
    Preprocessing preprocessing,
    Optional<MemoryFormat> memoryFormat,
    Precision precision,
    TeacherBatchNorm batchNorm,
    long cacheSamples,
    Optional<Path> cacheFile) {
  private static final String NAME = "Teacher";
  private static final String ONLY = "teacher";
  private static final Pattern GOOD_NAME = Pattern.compile("[A-Za-z0-9_-]+");

  /**
   * Makes a teacher.
   *
   * @param name letters, digits, {@code _} and {@code -}
   * @param network the network; none if its outputs are stored or come with each batch
   * @param storedOutputs as {@link #of(StoredOutputs)}; none for a network
   * @param weight at least 0 and finite
   * @param preprocessing as {@link #withPreprocessing}
   * @param memoryFormat none for that of the step
   * @param precision the arithmetic of the forward pass
   * @param batchNorm the mode of the BatchNorms
   * @param cacheSamples as {@link #withCache(long)}; 0 for no cache
   * @param cacheFile as {@link #withCache(long, Path)}; none without a cache
   * @throws IllegalArgumentException if an argument is null, the name has other characters, a
   *     number is out of range, the file is not of the default file system, or there are a network
   *     or a cache beside stored outputs
   */
  public Teacher {
    Arguments.notNull(name, NAME, "name");
    check(
        GOOD_NAME.matcher(name).matches(),
        "%s: name must be of letters, digits, _ and - (got %s)",
        NAME,
        name.isEmpty() ? "nothing" : name);
    Arguments.notNull(network, NAME, "network");
    Arguments.notNull(storedOutputs, NAME, "stored outputs");
    check(
        network.isEmpty() || storedOutputs.isEmpty(),
        "%s: network must not be given with stored outputs (got both)",
        NAME);
    Arguments.notNegative(weight, NAME, "weight");
    Arguments.notNull(preprocessing, NAME, "preprocessing");
    Arguments.notNull(memoryFormat, NAME, "memory format");
    Arguments.notNull(precision, NAME, "precision");
    Arguments.notNull(batchNorm, NAME, "batch norm");
    Arguments.atLeast(cacheSamples, 0, NAME, "cache samples");
    check(
        cacheSamples == 0 || storedOutputs.isEmpty(),
        "%s: cache samples must be 0 with stored outputs (got %s)",
        NAME,
        cacheSamples);
    Arguments.notNull(cacheFile, NAME, "cache file");
    check(
        cacheSamples > 0 || cacheFile.isEmpty(),
        "%s: cache samples must be positive with a cache file (got 0)",
        NAME);
    cacheFile.ifPresent(
        file -> NativeFiles.requireNative(NAME, file, "since it is read and written in place"));
  }

  /**
   * The only teacher of a step, which is called {@code teacher}.
   *
   * @param network the network
   * @return a teacher with the default options
   * @throws IllegalArgumentException if it is null
   */
  public static Teacher of(Network network) {
    return of(ONLY, network);
  }

  /**
   * One of several teachers.
   *
   * @param name another one for each teacher: letters, digits, {@code _} and {@code -}
   * @param network another one for each teacher
   * @return a teacher with the default options: a weight of 1, the preprocessing it was trained
   *     with, full precision, BatchNorms in evaluation mode, no cache
   * @throws IllegalArgumentException if an argument is null or the name has other characters
   */
  public static Teacher of(String name, Network network) {
    Arguments.notNull(network, NAME + ".of", "network");
    return of(name, Optional.of(network), Optional.empty());
  }

  /**
   * Outputs of a teacher that were stored, as the only teacher of a step, which is called {@code
   * teacher}. Each batch that does not include the teacher's outputs needs indices ({@link
   * StepInput#withIndices}), by which its rows are read. They are those of the images that were
   * stored: if images are augmented, a sample has the same outputs whatever became of its image. Of
   * the other options, only the weight has an effect, and a cache is refused.
   *
   * @param outputs the outputs, which steps share once they are built: they may then be closed
   * @return a teacher without a network
   * @throws IllegalArgumentException if they are null
   */
  public static Teacher of(StoredOutputs outputs) {
    return of(ONLY, outputs);
  }

  /**
   * Outputs of a teacher that were stored, as one of several teachers; otherwise as {@link
   * #of(StoredOutputs)}.
   *
   * @param name another one for each teacher: letters, digits, {@code _} and {@code -}
   * @param outputs the outputs
   * @return a teacher without a network
   * @throws IllegalArgumentException if an argument is null or the name has other characters
   */
  public static Teacher of(String name, StoredOutputs outputs) {
    Arguments.notNull(outputs, NAME + ".of", "outputs");
    return of(name, Optional.empty(), Optional.of(outputs));
  }

  /**
   * A teacher that is elsewhere: its logits come with each batch, and no term has taps of it.
   *
   * @param name as above
   * @return a teacher without a network
   * @throws IllegalArgumentException if the name is null or has other characters
   */
  public static Teacher given(String name) {
    return of(name, Optional.empty(), Optional.empty());
  }

  private static Teacher of(
      String name, Optional<Network> network, Optional<StoredOutputs> storedOutputs) {
    return new Teacher(
        name,
        network,
        storedOutputs,
        1,
        Preprocessing.of(),
        Optional.empty(),
        Precision.FULL,
        TeacherBatchNorm.EVALUATION,
        0,
        Optional.empty());
  }

  /**
   * Changes the part in means of several teachers ({@link Term#withTeacherMean}); 1 by default.
   *
   * @param weight at least 0 and finite; a teacher of weight 0 is left out of means
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Teacher withWeight(double weight) {
    return changed(
        weight, preprocessing, memoryFormat, precision, batchNorm, cacheSamples, cacheFile);
  }

  /**
   * Changes the size and normalisation of the images, which the network keeps ({@link
   * Network#preprocessing}). By default they are those that it was trained with, and what it does
   * not know itself is that of the step: a mean of 0 and a deviation of 1 leave images as they are.
   *
   * <p>If the height and width differ from those of the batch's images, these are resized,
   * bilinearly, without antialiasing, and with corners that are not aligned, as by PyTorch's {@code
   * interpolate(mode="bilinear", align_corners=False)}. The order of the images' dimensions is that
   * of the step.
   *
   * @param preprocessing the preprocessing
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Teacher withPreprocessing(Preprocessing preprocessing) {
    return changed(
        weight, preprocessing, memoryFormat, precision, batchNorm, cacheSamples, cacheFile);
  }

  /**
   * Changes how the maps lie in memory; as {@link TrainingStepBuilder#memoryFormat} says by
   * default.
   *
   * @param format the format
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Teacher withMemoryFormat(MemoryFormat format) {
    Optional<MemoryFormat> own = Optional.of(Arguments.notNull(format, NAME, "memory format"));
    return changed(weight, preprocessing, own, precision, batchNorm, cacheSamples, cacheFile);
  }

  /**
   * Changes the arithmetic of the forward pass; that of the network's dtype by default.
   *
   * @param precision the precision
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Teacher withPrecision(Precision precision) {
    return changed(
        weight, preprocessing, memoryFormat, precision, batchNorm, cacheSamples, cacheFile);
  }

  /**
   * Changes the mode of the BatchNorms; evaluation by default.
   *
   * @param batchNorm the mode
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Teacher withBatchNorm(TeacherBatchNorm batchNorm) {
    return changed(
        weight, preprocessing, memoryFormat, precision, batchNorm, cacheSamples, cacheFile);
  }

  /**
   * Caches the outputs in memory, keyed by the samples' rows in the data set, so that each output
   * is computed once. Requires data without augmentation and a teacher that does not change; each
   * step then needs indices.
   *
   * @param samples number of rows of the data set; 0 for no cache, which is the default
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range, or the outputs are stored
   */
  public Teacher withCache(long samples) {
    return withCache(samples, Optional.empty());
  }

  /**
   * Caches the outputs in a file, for later processes; otherwise as {@link #withCache(long)}.
   *
   * @param samples number of rows of the data set, positive
   * @param file belongs to one teacher, data set, selection of taps and preparation of images; of
   *     the data set only the number of rows is checked. Created if it is missing.
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range, the file is null or not of the
   *     default file system, or the outputs are stored
   */
  public Teacher withCache(long samples, Path file) {
    return withCache(samples, Optional.of(Arguments.notNull(file, NAME, "cache file")));
  }

  private Teacher withCache(long samples, Optional<Path> file) {
    return changed(weight, preprocessing, memoryFormat, precision, batchNorm, samples, file);
  }

  /** The same teacher, which runs in another way. */
  private Teacher changed(
      double weight,
      Preprocessing preprocessing,
      Optional<MemoryFormat> memoryFormat,
      Precision precision,
      TeacherBatchNorm batchNorm,
      long cacheSamples,
      Optional<Path> cacheFile) {
    return new Teacher(
        name,
        network,
        storedOutputs,
        weight,
        preprocessing,
        memoryFormat,
        precision,
        batchNorm,
        cacheSamples,
        cacheFile);
  }
}
