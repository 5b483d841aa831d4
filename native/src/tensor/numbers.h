#pragma once

#include <cmath>

#include "tensor/check.h"

namespace retort {

/// Whether a NaN has a sign depends on the machine; messages show none.
inline double without_sign_of_nan(double value) {
  return std::isnan(value) ? std::fabs(value) : value;
}

/// Requires a number that is positive and finite.
template <typename Error = c10::ValueError, typename Function>
void check_positive(const Function& function, const char* argument, double value) {
  RETORT_CHECK_AS(
      Error, value > 0 && std::isfinite(value), function, ": ", argument, " must be positive and finite (got ",
      without_sign_of_nan(value), ")");
}

/// Requires a number that is at least 0 and finite.
template <typename Function>
void check_not_negative(const Function& function, const char* argument, double value) {
  RETORT_CHECK(
      value >= 0 && std::isfinite(value), function, ": ", argument, " must be at least 0 and finite (got ",
      without_sign_of_nan(value), ")");
}

}  // namespace retort
