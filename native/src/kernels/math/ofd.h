#pragma once

#include "kernels/math/portable.h"

namespace retort::math {

/// student - max(teacher, margin), or 0 where a negative target is reached already.
template <typename T>
RETORT_MATH T ofd_difference(T student, T teacher, T margin) {
  // A margin of NaN must not vanish.
  const T target = teacher < margin || margin != margin ? margin : teacher;
  return student <= target && target <= T(0) ? T(0) : student - target;
}

}  // namespace retort::math
