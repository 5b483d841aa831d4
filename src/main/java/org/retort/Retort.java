package org.retort;

import org.jspecify.annotations.Nullable;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeLibrary;

/**
 * Settings that hold for the whole process.
 *
 * <p>Retort's classes may be loaded by several class loaders of one virtual machine, as for two
 * applications in a server; closing one leaves the others as they are. LibTorch and {@code
 * libretort.so} are there once, and so are the number of threads, the default generator and the
 * memory that losses keep: what one application sets here holds for all. Networks, steps and
 * tensors can't be handed from one to the other. The natives stay loaded until the process ends.
 *
 * <p>The first use of a class that needs the natives loads them. If they can't be loaded, every use
 * throws an {@link UnsatisfiedLinkError} with the same one-line message, until the process ends.
 * {@link #isAvailable} and {@link #unavailabilityCause} never throw.
 *
 * <p>Retort refuses to be loaded beside another LibTorch than the one it brings, which LibTorch
 * itself would answer by ending the process. Bytedeco's classes check nothing: where the process
 * may have another, call {@link #isAvailable} before the first {@code Tensor}.
 */
public final class Retort {
  private Retort() {}

  /**
   * Tells whether the natives are loaded, and loads them if nothing has done so yet.
   *
   * @return whether the rest of Retort can be used; always the same
   */
  public static boolean isAvailable() {
    return NativeLibrary.failure() == null;
  }

  /**
   * The reason why the natives can't be loaded: artifacts are missing or belong to other versions,
   * a folder can't be written, native access is denied, the process has another LibTorch. The
   * message is one line that says what to change.
   *
   * @return the reason, or null if {@link #isAvailable}
   */
  public static @Nullable Throwable unavailabilityCause() {
    return NativeLibrary.failure();
  }

  /**
   * The version of the native library.
   *
   * @return for example {@code 0.1.0}
   */
  public static String version() {
    NativeLibrary.load();
    return retort.version();
  }

  /**
   * Sets the number of threads that one operation uses, ATen's and OpenMP's, for the whole process:
   * the calling thread has it at once, every other thread from its next call into Retort on that
   * runs something. To change it often costs time, since OpenMP starts and ends its threads.
   *
   * <p>OpenBLAS is held to one thread, from the moment Retort is loaded on: its idle threads would
   * take the cores from ATen's, in the losses and in convolutions. The system property {@code
   * org.retort.openblas.threads}, read when Retort is loaded, holds it to another number between 1
   * and 4096, or leaves OpenBLAS as it is if it is 0.
   *
   * <p>Idle threads of OpenMP spin for a short time only, which matters on a busy machine: Retort
   * sets {@code GOMP_SPINCOUNT=10000} before it loads LibTorch, unless the environment has that
   * variable or {@code OMP_WAIT_POLICY}. The system property {@code org.retort.openmp.spins} sets
   * another number, or leaves OpenMP as it is if it is 0.
   *
   * @param threads between 1 and 4096
   * @throws IllegalArgumentException if it is not
   */
  public static void threads(int threads) {
    Arguments.check(
        threads >= 1 && threads <= 4096,
        "Retort.threads: threads must be between 1 and 4096 (got %s)",
        threads);
    NativeLibrary.load();
    retort.set_threads(threads);
  }

  /**
   * The number of threads that one operation uses.
   *
   * @return at least 1
   */
  public static int threads() {
    NativeLibrary.load();
    return (int) retort.threads();
  }

  /**
   * Gives the memory that losses keep for their next call, at most 256 MB, back to the system:
   * gradients and temporaries have the same sizes in every step, and memory fresh from the system
   * costs more time than the losses themselves.
   */
  public static void releaseMemory() {
    NativeLibrary.load();
    retort.release_memory();
  }

  /**
   * Seeds the default generator, from which new networks take their weights.
   *
   * @param seed any number
   */
  public static void manualSeed(long seed) {
    NativeLibrary.load();
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
    NativeLibrary.load();
    return retort.is_cuda_available();
  }

  /**
   * Requires that networks can be moved to a GPU. Java loads LibTorch's CPU half in silence where
   * its CUDA half can't be loaded, so programs that need a GPU should ask for it when they start.
   *
   * @throws RetortException if they can't; the message names what is missing
   */
  public static void requireCuda() {
    Native.run(retort::require_cuda);
  }

  /**
   * The instruction set for which the CPU kernels in use were compiled.
   *
   * @return {@code baseline}, {@code avx2} or {@code avx512}
   */
  public static String cpuKernels() {
    NativeLibrary.load();
    return retort.cpu_kernels();
  }
}
