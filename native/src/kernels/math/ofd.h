#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

/// student - max(teacher, margin), or 0 where a negative target is reached already.
template <typename T>
RETORT_MATH T ofd_difference(T student, T teacher, T margin) {
  // A margin of NaN must not vanish.
  const T target = teacher < margin || margin != margin ? margin : teacher;
  return student <= target && target <= T(0) ? T(0) : student - target;
}

/// How the squared differences of a batch become a number, in the order of the public enum.
enum class OfdReduction { kMean, kSum, kBatchMean };

/// What their sum is multiplied by.
inline double ofd_scale(OfdReduction reduction, int64_t batch, int64_t elements) {
  if (reduction == OfdReduction::kSum) return 1.0;
  return 1.0 / static_cast<double>(reduction == OfdReduction::kMean ? elements : batch);
}

}  // namespace retort::math
