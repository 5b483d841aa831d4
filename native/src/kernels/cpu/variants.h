#pragma once

/// Declares functions of a `*.simd.cpp` file, one of each for every instruction set it is compiled for.
#define RETORT_DECLARE_VARIANTS(...) \
  namespace baseline {               \
  __VA_ARGS__                        \
  }                                  \
  namespace avx2 {                   \
  __VA_ARGS__                        \
  }                                  \
  namespace avx512 {                 \
  __VA_ARGS__                        \
  }
