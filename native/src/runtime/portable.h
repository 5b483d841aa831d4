#pragma once

/// Marks the per-element formulas, which both g++ and nvcc compile. They have internal linkage, so that the variants
/// for several instruction sets never share a symbol; methods, which cannot have it, are always inlined.
#ifdef __CUDACC__
#define RETORT_MATH static inline __host__ __device__
#define RETORT_MATH_METHOD __host__ __device__
#else
#define RETORT_MATH static inline
#define RETORT_MATH_METHOD __attribute__((always_inline))
#endif
