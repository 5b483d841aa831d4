package org.retort;

import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Errors;
import org.retort.internal.NativeLibrary;

/**
 * Settings that hold for the whole process.
 *
 * <p>Retort's classes may be loaded by several class loaders of one virtual machine, as for two
 * applications in a server; closing one leaves the others as they are. LibTorch and {@code
 * libretort.so} are there once, and so are the number of threads, the default generator and the
 * memory that losses keep: what one application sets here holds for all. Networks, steps and
 * tensors can't be handed from one to the other. The natives stay loaded until the process ends.
 */
public final class Retort {
  static {
    NativeLibrary.load();
  }

  private Retort() {}

  /**
   * The version of the native library.
   *
   * @return for example {@code 0.1.0}
   */
  public static String version() {
    return retort.version();
  }

  /**
   * Sets the number of threads that one operation uses, ATen's and OpenMP's, for the whole process:
   * the calling thread has it at once, every other thread from its next call into Retort on that
   * runs something. To change it often costs time, since OpenMP starts and ends its threads.
   *
   * <p>OpenBLAS is held to one thread, from the moment Retort is loaded on: its idle threads would
   * take the cores from ATen's, in the losses and in convolutions. Who needs parallel products of
   * large matrices more than that can call Bytedeco's {@code
   * openblas_nolapack.blas_set_num_threads} afterwards.
   *
   * @param threads between 1 and 4096
   * @throws IllegalArgumentException if it is not
   */
  public static void threads(int threads) {
    Arguments.check(
        threads >= 1 && threads <= 4096,
        "Retort.threads: threads must be between 1 and 4096 (got %s)",
        threads);
    retort.set_threads(threads);
  }

  /**
   * The number of threads that one operation uses.
   *
   * @return at least 1
   */
  public static int threads() {
    return (int) retort.threads();
  }

  /**
   * Gives the memory that losses keep for their next call, at most 256 MB, back to the system:
   * gradients and temporaries have the same sizes in every step, and memory fresh from the system
   * costs more time than the losses themselves.
   */
  public static void releaseMemory() {
    retort.release_memory();
  }

  /**
   * Seeds the default generator, from which new networks take their weights.
   *
   * @param seed any number
   */
  public static void manualSeed(long seed) {
    retort.manual_seed(seed);
  }

  /**
   * Tells whether networks can be moved to a GPU: the natives are those of {@code
   * linux-x86_64-gpu}, the libraries of CUDA that LibTorch needs can be loaded, and there is a
   * device for which the kernels were compiled.
   *
   * @return whether {@link #requireCuda} would pass
   */
  public static boolean isCudaAvailable() {
    return retort.is_cuda_available();
  }

  /**
   * Requires that networks can be moved to a GPU. Java loads LibTorch's CPU half in silence where
   * its CUDA half can't be loaded, so programs that need a GPU should ask for it when they start.
   *
   * @throws RetortException if they can't; the message names what is missing
   */
  public static void requireCuda() {
    try {
      retort.require_cuda();
    } catch (RuntimeException error) {
      throw Errors.translate(error);
    }
  }

  /**
   * The instruction set for which the CPU kernels in use were compiled.
   *
   * @return {@code baseline}, {@code avx2} or {@code avx512}
   */
  public static String cpuKernels() {
    return retort.cpu_kernels();
  }
}
