#pragma once

#include <stdint.h>

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

template <typename T>
double sum_of_squares(const T* values, int64_t count) {
  return inner_product(values, values, count);
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
