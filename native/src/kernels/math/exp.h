#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

/// e^x for x <= 0, accurate to about 2 units in the last place; 0 where e^x is no normal number, or only just one.
/// NaN gives NaN. Without branches or calls, so that compilers turn loops over it into vector code.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^mantissa_bits rounds x / ln 2 to the integer n and leaves n in
/// the lowest bits, from where it is shifted into the exponent.
RETORT_MATH float exp_nonpositive(float x) {
  const float round = 12582912.0f;
  const float bounded = x < -87.3f ? -87.3f : x;
  const float shifted = bounded * 1.44269504f + round;
  const float n = shifted - round;
  const float r = (bounded - n * 0.693145752f) - n * 1.42860677e-6f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return x < -87.3f ? 0.0f : p * power;
}

RETORT_MATH double exp_nonpositive(double x) {
  const double round = 6755399441055744.0;
  const double bounded = x < -708.0 ? -708.0 : x;
  const double shifted = bounded * 1.4426950408889634 + round;
  const double n = shifted - round;
  const double r = (bounded - n * 0.69314718036912382) - n * 1.9082149292705877e-10;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + 0x3ff0000000000000u;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return x < -708.0 ? 0.0 : p * power;
}

}  // namespace retort::math
