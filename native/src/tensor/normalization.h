#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/check.h"
#include "tensor/numbers.h"

namespace retort {

/// (value - mean) / deviation as scale * value + shift, for each channel or one for all; empty if nothing is to change.
struct Normalization {
  std::vector<double> scale;
  std::vector<double> shift;

  Normalization(
      const char* function, const std::vector<double>& mean, const std::vector<double>& deviation, int64_t channels) {
    const size_t count = mean.size();
    RETORT_CHECK(
        deviation.size() == count, function, ": mean and deviation must have the same length (got ", count, " and ",
        deviation.size(), ")");
    RETORT_CHECK(
        count <= 1 || static_cast<int64_t>(count) == channels, function, ": mean must be one for each of ", channels,
        " channels, or one (got ", count, ")");
    for (size_t i = 0; i < count; ++i) {
      RETORT_CHECK(std::isfinite(mean[i]), function, ": mean must be finite (got ", without_sign_of_nan(mean[i]), ")");
      check_positive(function, "deviation", deviation[i]);
      scale.push_back(1 / deviation[i]);
      shift.push_back(-mean[i] / deviation[i]);
    }
  }
};

}  // namespace retort
