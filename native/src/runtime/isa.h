#pragma once

namespace retort {

/// The instruction sets for which the inner loops (`*.simd.cpp`) are compiled.
enum class Isa { kBaseline, kAvx2, kAvx512 };

/// The best instruction set of this machine, or a lesser one named in the environment variable RETORT_CPU
/// ("baseline", "avx2", "avx512"). Chosen once, at the first call.
Isa selected_isa();

const char* name_of(Isa isa);

/// The variant for the selected instruction set.
template <typename Function>
Function select(Function baseline, Function avx2, Function avx512) {
  switch (selected_isa()) {
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx2:
      return avx2;
    default:
      return baseline;
  }
}

}  // namespace retort
