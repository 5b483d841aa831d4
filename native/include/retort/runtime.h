#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>

namespace retort {

/// Retort's version, e.g. "0.1.0".
RETORT_API std::string version();

/// Sets the number of threads of one operation, ATen's and OpenMP's, for the whole process: the calling thread has it
/// at once, every other thread from its next call into Retort on that runs something. To change it often costs time,
/// since OpenMP starts and ends its threads.
///
/// OpenBLAS, where LibTorch uses it, is held to one thread, from the moment Retort is loaded on: its idle threads would
/// take the cores from ATen's, in this library's losses and in convolutions. Who needs parallel products of large
/// matrices more than that can call `openblas_set_num_threads` afterwards.
/// @throws c10::ValueError if `threads` is not between 1 and 4096
RETORT_API void set_threads(int64_t threads);

/// The number of threads of one operation.
RETORT_API int64_t threads();

/// Seeds the default generator, from which networks and criteria are initialised.
RETORT_API void manual_seed(uint64_t seed);

/// Gives the memory that losses keep for their next call, at most 256 MB, back to the system: gradients and temporaries
/// have the same sizes in every step, and memory fresh from the system costs more time than the losses themselves.
RETORT_API void release_memory();

/// Whether networks can be moved to a GPU: this library was built for CUDA, what LibTorch needs for it is loaded, and
/// there is a device that the kernels were compiled for.
RETORT_API bool is_cuda_available();

/// Requires that.
/// @throws c10::ValueError if it is not so; the message names what is missing
RETORT_API void require_cuda();

/// The name of the instruction set that the CPU kernels use on this machine: "baseline", "avx2" or "avx512".
RETORT_API std::string cpu_kernels();

}  // namespace retort
