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
 * A network to learn from and how it runs, or stored outputs. Immutable: each method returns a
 * changed copy. Does not own the network or the outputs.
 *
 * @param name the name by which terms refer to it: letters, digits, {@code _} and {@code -}
 * @param network the network; none if its outputs are stored or come with each batch ({@link
 *     StepInput#withTeacher})
 * @param storedOutputs the outputs of an absent teacher, in place of a network
 * @param weight its weight in means of several teachers, at least 0 and finite; the weights of the
 *     teachers that a term mixes are divided by their sum
 * @param preprocessing the size and normalisation of its images
 * @param memoryFormat the memory layout of its feature maps; if none, that of {@link
 *     TrainingStepBuilder#memoryFormat}
 * @param precision the arithmetic of its forward pass
 * @param batchNorm the mode of its BatchNorms
 * @param cacheSamples the number of rows of the data set whose outputs are cached; 0 for no cache
 * @param cacheFile the file of the cache; if none, it is in memory
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
   * Creates a teacher.
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
   * @throws IllegalArgumentException if an argument is null, the name contains other characters, a
   *     number is out of range, the file is not of the default file system, or a network or a cache
   *     is given with stored outputs
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
   * Creates the only teacher of a step, named {@code teacher}.
   *
   * @param network the network
   * @return a teacher with the default options
   * @throws IllegalArgumentException if it is null
   */
  public static Teacher of(Network network) {
    return of(ONLY, network);
  }

  /**
   * Creates one of several teachers.
   *
   * @param name different for each teacher: letters, digits, {@code _} and {@code -}
   * @param network different for each teacher
   * @return a teacher with the default options: a weight of 1, the preprocessing it was trained
   *     with, full precision, BatchNorms in evaluation mode, no cache
   * @throws IllegalArgumentException if an argument is null or the name contains other characters
   */
  public static Teacher of(String name, Network network) {
    Arguments.notNull(network, NAME + ".of", "network");
    return of(name, Optional.of(network), Optional.empty());
  }

  /**
   * Creates a teacher from stored outputs, as the only teacher of a step, named {@code teacher}.
   * Each batch that does not include the teacher's outputs needs indices ({@link
   * StepInput#withIndices}), which select the rows to read. The outputs are those of the images
   * they were stored for: if images are augmented, a sample has the same outputs however its image
   * was augmented. Of the other options, only the weight has an effect, and a cache is rejected.
   *
   * @param outputs the outputs, which steps share once built; they may then be closed
   * @return a teacher without a network
   * @throws IllegalArgumentException if they are null
   */
  public static Teacher of(StoredOutputs outputs) {
    return of(ONLY, outputs);
  }

  /**
   * Creates one of several teachers from stored outputs; otherwise as {@link #of(StoredOutputs)}.
   *
   * @param name different for each teacher: letters, digits, {@code _} and {@code -}
   * @param outputs the outputs
   * @return a teacher without a network
   * @throws IllegalArgumentException if an argument is null or the name contains other characters
   */
  public static Teacher of(String name, StoredOutputs outputs) {
    Arguments.notNull(outputs, NAME + ".of", "outputs");
    return of(name, Optional.empty(), Optional.of(outputs));
  }

  /**
   * Creates a teacher that runs elsewhere: its logits come with each batch, and no term may tap it.
   *
   * @param name as above
   * @return a teacher without a network
   * @throws IllegalArgumentException if the name is null or contains other characters
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
   * Changes the weight in means of several teachers ({@link Term#withTeacherMean}); 1 by default.
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
   * Changes the size and normalisation of the images, which the network stores ({@link
   * Network#preprocessing}). By default they are those that it was trained with; those it does not
   * know are taken from the step. A mean of 0 and a deviation of 1 leave images unchanged.
   *
   * <p>If the height and width differ from those of the batch's images, these are resized
   * bilinearly, without antialiasing and without aligned corners, as by PyTorch's {@code
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
   * Changes the memory layout of the feature maps; that of {@link TrainingStepBuilder#memoryFormat}
   * by default.
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
   * Caches the outputs in memory, keyed by the samples' rows in the data set, so that each is
   * computed once. Requires data without augmentation and a teacher that does not change; each step
   * then needs indices.
   *
   * @param samples number of rows of the data set; 0 for no cache, which is the default
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range, or the outputs are stored
   */
  public Teacher withCache(long samples) {
    return withCache(samples, Optional.empty());
  }

  /**
   * Caches the outputs in a file, for reuse by later processes; otherwise as {@link
   * #withCache(long)}.
   *
   * @param samples number of rows of the data set, positive
   * @param file the cache file, for one teacher, data set, selection of taps and preparation of
   *     images; of the data set, only the number of rows is checked. Created if it is missing.
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

  /** Returns the same teacher with other run options. */
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
