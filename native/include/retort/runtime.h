#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>

namespace retort {

/// Retort's version, e.g. "0.1.0".
RETORT_API std::string version();

/// Sets the number of intra-op threads, ATen's and OpenMP's, for the whole process: at once for the calling thread, and
/// for every other thread from its next call that makes Retort compute something. Changing it often is slow, since
/// OpenMP starts and stops threads.
///
/// OpenBLAS, where LibTorch uses it, is limited to one thread: see set_openblas_threads().
/// @throws c10::ValueError if `threads` is not between 1 and 4096
RETORT_API void set_threads(int64_t threads);

/// The number of intra-op threads.
RETORT_API int64_t threads();

/// Sets the number of threads that OpenBLAS is limited to, where LibTorch uses it, for the whole process. Without this
/// call it is one, from the first call on that makes Retort compute something: idle threads of OpenBLAS would take
/// cores from ATen's, in this library's losses and in convolutions. set_threads() sets it again. Java calls this as
/// soon as Retort is loaded, with the value of the system property `org.retort.openblas.threads`.
/// @param threads the number of threads; 0 leaves OpenBLAS as it is
/// @throws c10::ValueError if `threads` is not between 0 and 4096
RETORT_API void set_openblas_threads(int64_t threads);

/// The number of threads that OpenBLAS uses; 0 if LibTorch does not use OpenBLAS.
RETORT_API int64_t openblas_threads();

/// Seeds the default generator, from which networks and criteria are initialised.
RETORT_API void manual_seed(uint64_t seed);

/// Returns the memory that the losses cache for their next call, at most 256 MB, to the system. They cache it because
/// gradients and temporaries have the same sizes in every step, and new memory from the system costs more time than the
/// losses themselves.
RETORT_API void release_memory();

/// Whether networks can be moved to a GPU: this library was built for CUDA, what LibTorch needs for it is loaded, and
/// there is a device that the kernels were compiled for.
RETORT_API bool is_cuda_available();

/// Requires is_cuda_available().
/// @throws c10::ValueError if CUDA is not available; the message names what is missing
RETORT_API void require_cuda();

/// The name of the instruction set that the CPU kernels use on this machine: "baseline", "avx2" or "avx512".
RETORT_API std::string cpu_kernels();

}  // namespace retort
