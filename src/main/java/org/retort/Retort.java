package org.retort;

import org.jspecify.annotations.Nullable;
import org.retort.bindings.global.retort;
import org.retort.internal.Arguments;
import org.retort.internal.Native;
import org.retort.internal.NativeLibrary;

/**
 * Process-wide settings.
 *
 * <p>Retort's classes may be loaded by several class loaders in one virtual machine, as for two
 * applications in a server; closing one does not affect the others. LibTorch and {@code
 * libretort.so} are loaded only once, and all share the number of threads, the default generator
 * and the memory that losses keep: a setting made by one application applies to all. Networks,
 * steps and tensors can't be passed between class loaders. The natives stay loaded until the
 * process ends.
 *
 * <p>The natives are loaded on first use of a class that needs them. If they can't be loaded, every
 * use throws an {@link UnsatisfiedLinkError} with the same one-line message, until the process
 * ends. {@link #isAvailable} and {@link #unavailabilityCause} never throw.
 *
 * <p>Retort refuses to load alongside a LibTorch other than its own; LibTorch itself would
 * terminate the process. Bytedeco's classes do not check this: if the process may contain another
 * one, call {@link #isAvailable} before creating the first {@code Tensor}.
 */
public final class Retort {
  private Retort() {}

  /**
   * Returns whether the natives are loaded, loading them if necessary.
   *
   * @return whether the rest of Retort can be used; never changes
   */
  public static boolean isAvailable() {
    return NativeLibrary.failure() == null;
  }

  /**
   * Returns the reason why the natives can't be loaded: artifacts are missing or belong to other
   * versions, a folder can't be written, native access is denied, or the process contains another
   * LibTorch. The message is one line that says what to change.
   *
   * @return the reason, or null if {@link #isAvailable}
   */
  public static @Nullable Throwable unavailabilityCause() {
    return NativeLibrary.failure();
  }

  /**
   * Returns the version of the native library.
   *
   * @return for example {@code 0.1.0}
   */
  public static String version() {
    NativeLibrary.load();
    return retort.version();
  }

  /**
   * Sets the number of threads that one operation uses, ATen's and OpenMP's, for the whole process.
   * It takes effect immediately on the calling thread, and on every other thread with its next call
   * into Retort that runs something. Changing it often is slow, since OpenMP starts and ends its
   * threads.
   *
   * <p>OpenBLAS is limited to one thread as soon as Retort is loaded: its idle threads would
   * compete with ATen's for cores, in the losses and in convolutions. The system property {@code
   * org.retort.openblas.threads}, read when Retort is loaded, sets another limit between 1 and
   * 4096; 0 leaves OpenBLAS unchanged.
   *
   * <p>Idle OpenMP threads spin only briefly, which matters on a busy machine: Retort sets {@code
   * GOMP_SPINCOUNT=10000} before it loads LibTorch, unless the environment sets that variable or
   * {@code OMP_WAIT_POLICY}. The system property {@code org.retort.openmp.spins} sets another
   * number; 0 leaves OpenMP unchanged.
   *
   * @param threads between 1 and 4096
   * @throws IllegalArgumentException if the number is out of range
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
   * Returns the number of threads that one operation uses.
   *
   * @return at least 1
   */
  public static int threads() {
    NativeLibrary.load();
    return (int) retort.threads();
  }

  /**
   * Releases the memory that losses keep for their next call, at most 256 MB, to the system. It is
   * kept because gradients and temporaries have the same sizes in every step, and getting fresh
   * memory from the system takes longer than the losses themselves.
   */
  public static void releaseMemory() {
    NativeLibrary.load();
    retort.release_memory();
  }

  /**
   * Seeds the default generator, which initialises the weights of new networks.
   *
   * @param seed any number
   */
  public static void manualSeed(long seed) {
    NativeLibrary.load();
    retort.manual_seed(seed);
  }

  /**
   * Returns whether networks can be moved to a GPU: the natives are those of {@code
   * linux-x86_64-gpu}, the CUDA libraries that LibTorch needs can be loaded, and there is a device
   * for which the kernels were compiled.
   *
   * @return whether {@link #requireCuda} would pass
   */
  public static boolean isCudaAvailable() {
    NativeLibrary.load();
    return retort.is_cuda_available();
  }

  /**
   * Requires that networks can be moved to a GPU. If LibTorch's CUDA half can't be loaded, Java
   * silently loads only its CPU half, so programs that need a GPU should call this at startup.
   *
   * @throws RetortException if they can't; the message names what is missing
   */
  public static void requireCuda() {
    Native.run(retort::require_cuda);
  }

  /**
   * Returns the instruction set for which the CPU kernels in use were compiled.
   *
   * @return {@code baseline}, {@code avx2} or {@code avx512}
   */
  public static String cpuKernels() {
    NativeLibrary.load();
    return retort.cpu_kernels();
  }
}
