#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

// std::min and std::max for code that is compiled once for each instruction set, which must not share a template with
// other code.

RETORT_MATH int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

RETORT_MATH int64_t larger(int64_t a, int64_t b) {
  return a < b ? b : a;
}

}  // namespace retort::math
