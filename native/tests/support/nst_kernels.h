#pragma once

#include <retort/losses/nst.h>

#include <stdexcept>
#include <string>

namespace retort::test {

inline constexpr NstKernel kNstKernels[] = {NstKernel::kLinear, NstKernel::kPolynomial, NstKernel::kGaussian};

/// As the operator calls it.
inline std::string name_of(NstKernel kernel) {
  switch (kernel) {
    case NstKernel::kLinear:
      return "linear";
    case NstKernel::kPolynomial:
      return "polynomial";
    case NstKernel::kGaussian:
      return "gaussian";
  }
  throw std::logic_error("another kernel");
}

}  // namespace retort::test
