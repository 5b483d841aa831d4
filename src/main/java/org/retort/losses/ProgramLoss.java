package org.retort.losses;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.retort.bindings.NativeCriterionOptions;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.NativeCriteria;
import org.retort.internal.NativeFiles;

/**
 * A loss that is a program, saved by Python's {@code torch.export.save} or {@code torch.jit.save},
 * whose {@code forward} takes the values it compares by name and returns the loss, a scalar. A
 * {@code .pt2} file of {@code torch.export} is data, and takes lists of taps as individual taps.
 * <b>A TorchScript file is a program: load only files you trust.</b>
 *
 * <p>{@code forward} takes any of these arguments, in any order:
 *
 * <ul>
 *   <li>{@code student_logits}, {@code teacher_logits}: Tensor [B, classes];
 *   <li>{@code labels}: Tensor, int64 [B], −1 for a sample without a label;
 *   <li>{@code weights}: Tensor [B], the samples' weights, all 1 if a batch has none;
 *   <li>{@code indices}: Tensor, int64 [B], the samples' rows in the data set;
 *   <li>{@code student_taps}, {@code teacher_taps}: List[Tensor], the term's taps, in order;
 *   <li>{@code student_taps_0}, {@code teacher_taps_0} and so on: Tensor, one of them.
 * </ul>
 *
 * <p>An Optional Tensor is None if a batch has none; others are required. Half precision is
 * converted to float32.
 *
 * <p>As a term of a training step, it takes as many taps as its {@code forward}. Gradients are
 * autograd's. The program's parameters are trained with the student, and its buffers are part of
 * the step's state: both start as they are in the file, separately for each term, are saved in
 * checkpoints and are rolled back if a step fails. It runs in training mode. A checkpoint loads
 * only into a step whose program is the same, except for the values of parameters and buffers.
 *
 * <p>Instances are immutable: they hold what the file held when it was loaded. Two are equal if
 * their files were.
 */
public final class ProgramLoss implements DistillationLoss {
  static {
    NativeCriteria.register(ProgramLoss.class, ProgramLoss::nativeOptions);
  }

  private static final String LOAD = "ProgramLoss.load";

  private final String name;
  private final byte[] program;

  private ProgramLoss(String name, byte[] program) {
    this.name = name;
    this.program = program;
    nativeOptions().close(); // fails now if anything is wrong with the program
  }

  /**
   * Loads a file written by {@code torch.export.save} or {@code torch.jit.save}.
   *
   * @param file the file, in any file system
   * @return the loss
   * @throws IllegalArgumentException if the file is null
   * @throws org.retort.FileException if the file is missing or is not a runnable program
   * @throws org.retort.RetortException if its {@code forward} takes anything not listed above, does
   *     not return a tensor, or assigns anything but buffers
   */
  public static ProgramLoss load(Path file) {
    return NativeFiles.loadContent(
        LOAD, file, content -> new ProgramLoss(file.toString(), content));
  }

  /**
   * Loads a program from a stream, as {@link #load(Path)} does. The stream is read to its end
   * before anything else happens.
   *
   * @param stream the stream to read; not closed
   * @return the loss
   * @throws IllegalArgumentException if the stream is null
   * @throws org.retort.FileException if the stream throws an {@link java.io.IOException}, which is
   *     the cause, or is not a runnable program
   * @throws org.retort.RetortException as above
   */
  public static ProgramLoss load(InputStream stream) {
    return new ProgramLoss("the stream", NativeFiles.bytes(LOAD, stream));
  }

  /**
   * Loads a program from memory, as {@link #load(Path)} does.
   *
   * @param bytes the entire content of a file, which is copied
   * @return the loss
   * @throws IllegalArgumentException if the bytes are null
   * @throws org.retort.FileException if the bytes are not a runnable program
   * @throws org.retort.RetortException as above
   */
  public static ProgramLoss load(byte[] bytes) {
    Arguments.notNull(bytes, LOAD, "bytes");
    return new ProgramLoss(bytes.length + " bytes", bytes.clone());
  }

  /** Returns whether the other object is the same program, byte for byte. */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ProgramLoss loss && Arrays.equals(program, loss.program);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(program);
  }

  /** Returns a string that names the file. */
  @Override
  public String toString() {
    return "ProgramLoss[file=" + name + ", bytes=" + program.length + "]";
  }

  NativeCriterionOptions nativeOptions() {
    return NativeFiles.loadNamed(name, program, retort::load_program_loss);
  }
}
