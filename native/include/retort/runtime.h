#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>

namespace retort {

/// Returns Retort's version, e.g. "0.1.0".
RETORT_API std::string version();

/// Sets the number of intra-op threads, ATen's and OpenMP's, for the whole process. It takes effect immediately on the
/// calling thread, and on every other thread with its next call into Retort that computes something. Changing it often
/// is slow, since OpenMP starts and ends its threads.
///
/// OpenBLAS, if LibTorch uses it, is limited to one thread: see set_openblas_threads().
/// @throws c10::ValueError if `threads` is not between 1 and 4096
RETORT_API void set_threads(int64_t threads);

/// Returns the number of intra-op threads.
RETORT_API int64_t threads();

/// Sets the number of threads that OpenBLAS is limited to, if LibTorch uses it, for the whole process. Without this
/// call, the limit is one thread, from the first call into Retort that computes something: idle threads of OpenBLAS
/// would compete with ATen's for cores, in the losses and in convolutions. set_threads() applies the limit again. Java
/// calls this function as soon as Retort is loaded, with the value of the system property
/// `org.retort.openblas.threads`.
/// @param threads the number of threads; 0 leaves OpenBLAS unchanged
/// @throws c10::ValueError if `threads` is not between 0 and 4096
RETORT_API void set_openblas_threads(int64_t threads);

/// Returns the number of threads that OpenBLAS uses; 0 if LibTorch does not use OpenBLAS.
RETORT_API int64_t openblas_threads();

/// Seeds the default generator, which initialises the weights of new networks and criteria.
RETORT_API void manual_seed(uint64_t seed);

/// Releases the memory that losses keep for their next call, at most 256 MB, to the system. It is kept because
/// gradients and temporaries have the same sizes in every step, and getting fresh memory from the system takes longer
/// than the losses themselves.
RETORT_API void release_memory();

/// Returns whether networks can be moved to a GPU: the library was built for CUDA, the CUDA libraries that LibTorch
/// needs are loaded, and there is a device for which the kernels were compiled.
RETORT_API bool is_cuda_available();

/// Requires that networks can be moved to a GPU.
/// @throws c10::ValueError if CUDA is not available; the message says what is missing
RETORT_API void require_cuda();

/// Returns the instruction set for which the CPU kernels in use were compiled: "baseline", "avx2" or "avx512".
RETORT_API std::string cpu_kernels();

}  // namespace retort
