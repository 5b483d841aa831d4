#pragma once

#include "runtime/portable.h"

namespace retort::math {

/// The smallest divisor of the batch margin, which is therefore 0 where nothing is negative.
constexpr double kOfdEpsilon = 1e-6;

/// student - max(teacher, margin), or 0 where a negative target is reached already.
template <typename T>
RETORT_MATH T ofd_difference(T student, T teacher, T margin) {
  // A margin of NaN must not vanish.
  const T target = teacher < margin || margin != margin ? margin : teacher;
  return student <= target && target <= T(0) ? T(0) : student - target;
}

}  // namespace retort::math
