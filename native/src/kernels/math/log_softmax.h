#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

/// The softmax of a row's logits, or of some of them, as log-probability: (x[i] - max) / T - log_sum. Of a logit that
/// is left out, the same is its log-odds against all others together.
template <typename T>
struct LogSoftmax {
  const T* logits;
  T inverse_temperature;
  T max;
  T log_sum;

  RETORT_MATH_METHOD T operator[](int64_t i) const { return (logits[i] - max) * inverse_temperature - log_sum; }
};

}  // namespace retort::math
