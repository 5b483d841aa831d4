// Numbers in half precision, as maps and memories are stored.
#pragma once

#include <stdint.h>

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace retort::kernels::RETORT_ISA {
namespace {

/// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

static inline float widened(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  __builtin_memcpy(&wide, &bits, sizeof wide);
  return wide;
}
static inline float widened(_Float16 value) {
  return static_cast<float>(value);
}

template <typename Stored, typename T>
void widen(const Stored* from, int64_t count, T* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(widened(from[i]));
}

#ifdef __F16C__
// Compilers know the instruction for one number only.

inline void widen(const _Float16* from, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
  for (; i < count; ++i) to[i] = widened(from[i]);
}
#endif

/// Rounded to the nearest, of two as near to the even one; NaN stays NaN.
static inline uint16_t bfloat16_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(value == value ? rounded : 0x7fc0);
}

template <typename T>
void narrow(const T* from, int64_t count, BFloat16* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i].bits = bfloat16_bits(static_cast<float>(from[i]));
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
