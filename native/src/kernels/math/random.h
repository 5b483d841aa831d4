#pragma once

#include <stdint.h>

#include "kernels/math/portable.h"

namespace retort::math {

/// Random bits, the i-th of the stream `key`: splitmix64, so that every device draws the same, in any order.
RETORT_MATH uint64_t random_bits(uint64_t key, uint64_t i) {
  uint64_t bits = key + (i + 1) * 0x9e3779b97f4a7c15u;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

/// One of the rows 0 ... rows - 1 other than `own`, from random bits. Uniform for up to 2^53 rows.
RETORT_MATH int64_t other_row(uint64_t bits, int64_t own, int64_t rows) {
  const double share = static_cast<double>(bits >> 11) * (1.0 / 9007199254740992.0);
  const int64_t drawn = static_cast<int64_t>(share * static_cast<double>(rows - 1));
  const int64_t row = drawn < rows - 1 ? drawn : rows - 2;
  return row < own ? row : row + 1;
}

}  // namespace retort::math
