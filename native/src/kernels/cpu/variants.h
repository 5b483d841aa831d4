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

/// The variant for the selected instruction set of a function of that type, by its name in the namespaces above.
#define RETORT_VARIANT(TYPE, NAME) ::retort::select<TYPE>(&baseline::NAME, &avx2::NAME, &avx512::NAME)
