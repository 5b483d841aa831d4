#pragma once

#include <stdint.h>

#include "kernels/cpu/vector.simd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Elements that are summed in T before a sum goes on in double.
constexpr int64_t kSumBlock = 1024;

template <typename T>
double inner_product(const T* a, const T* b, int64_t count) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kSumBlock) {
    const int64_t end = math::smaller(begin + kSumBlock, count);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += a[i] * b[i];
    total += static_cast<double>(sum);
  }
  return total;
}

/// Adds to each channel's sum term(position, element, channel) of all positions, where channels lie side by side. Four
/// positions at once, since sums are loaded and stored for each.
template <typename T, typename Term>
void add_over_positions(int64_t positions, int64_t channels, T* sums, const Term& term) {
  int64_t p = 0;
  for (; p + 4 <= positions; p += 4) {
    const int64_t i = p * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += (term(p, i + c, c) + term(p + 1, i + channels + c, c)) +
                 (term(p + 2, i + 2 * channels + c, c) + term(p + 3, i + 3 * channels + c, c));
    }
  }
  for (; p < positions; ++p) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) sums[c] += term(p, p * channels + c, c);
  }
}

template <typename T>
double sum_of_squares(const T* values, int64_t count) {
  return inner_product(values, values, count);
}

/// The same where a vector may be read behind the last of the values.
template <typename T>
double sum_of_padded_squares(const T* values, int64_t count) {
  constexpr int lanes = kLanes<T>;
  const int64_t whole = count / lanes * lanes;
  const int rest = static_cast<int>(count - whole);
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < lanes; ++i) {
    const T value = i < rest ? values[whole + i] : T(0);
    sum += value * value;
  }
  return sum_of_squares(values, whole) + static_cast<double>(sum);
}

/// Vectors of a row that stay in registers while others go by.
template <typename T>
constexpr int64_t kChunk = kLanes<T> / 2;

/// The inner products of kLanes rows with another: one sum a row, so that none waits for another's additions.
template <typename T>
Vector<T> inner_products(const T* other, const T* const* rows, int64_t count) {
  constexpr int lanes = kLanes<T>;
  constexpr int chunk = kChunk<T>;
  Vector<T> sums[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) sums[i] = Vector<T>{};
  int64_t d = 0;
  for (; d + chunk * lanes <= count; d += chunk * lanes) {
    Vector<T> part[chunk];
#pragma GCC unroll 8
    for (int v = 0; v < chunk; ++v) part[v] = load(other + d + v * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < chunk; ++v) sums[i] += part[v] * load(rows[i] + d + v * lanes);
    }
  }
  for (; d + lanes <= count; d += lanes) {
    const Vector<T> part = load(other + d);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) sums[i] += part * load(rows[i] + d);
  }
  Vector<T> result = sums_of<T>(sums);
  for (; d < count; ++d) {
    for (int i = 0; i < lanes; ++i) result[i] += other[d] * rows[i][d];
  }
  return result;
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
