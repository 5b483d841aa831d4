#pragma once

#include <type_traits>

#include "runtime/isa.h"

namespace retort::kernels {

/// A table of kernels, for float32 and for float64.
template <template <typename> class Kernels>
struct ByDtype {
  Kernels<float> in_float;
  Kernels<double> in_double;

  template <typename T>
  const Kernels<T>& get() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

}  // namespace retort::kernels

/// Declares what a `*.simd.cpp` file defines: a table for each instruction set it is compiled for. NAME<float>() and
/// NAME<double>() return those for the selected one.
/// @param KERNELS a template over the type that is computed in, with a pointer to each kernel
#define RETORT_DECLARE_KERNELS(KERNELS, NAME)                                                \
  namespace baseline {                                                                       \
  extern const ByDtype<KERNELS> NAME;                                                        \
  }                                                                                          \
  namespace avx2 {                                                                           \
  extern const ByDtype<KERNELS> NAME;                                                        \
  }                                                                                          \
  namespace avx512 {                                                                         \
  extern const ByDtype<KERNELS> NAME;                                                        \
  }                                                                                          \
  template <typename T>                                                                      \
  const KERNELS<T>& NAME() {                                                                 \
    return ::retort::select(&baseline::NAME, &avx2::NAME, &avx512::NAME)->template get<T>(); \
  }

/// Defines the table for one instruction set, of functions in the order of KERNELS; T is the type computed in.
#define RETORT_DEFINE_KERNELS(KERNELS, NAME, ...) \
  namespace {                                     \
  template <typename T>                           \
  constexpr KERNELS<T> NAME##_in = {__VA_ARGS__}; \
  }                                               \
  const ByDtype<KERNELS> NAME = {NAME##_in<float>, NAME##_in<double>};
