#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>

namespace retort {

/// Retort's version, e.g. "0.1.0".
RETORT_API std::string version();

/// Sets the number of threads of one operation: ATen's and OpenMP's, and OpenBLAS's where LibTorch uses it. Call it
/// once, before the first operation.
/// @throws c10::ValueError if `threads` is not positive
RETORT_API void set_threads(int64_t threads);

/// The number of threads of one operation.
RETORT_API int64_t threads();

/// Seeds the default generator, from which networks and criteria are initialised.
RETORT_API void manual_seed(uint64_t seed);

/// The name of the instruction set that the CPU kernels use on this machine: "baseline", "avx2" or "avx512".
RETORT_API std::string cpu_kernels();

}  // namespace retort
