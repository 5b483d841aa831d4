// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/standardise.simd.h"

#include <math.h>

#include "kernels/math/standardise.h"

namespace retort::kernels::RETORT_ISA {
namespace {

template <typename T>
Standardised<T> standardise_row(const T* logits, int64_t classes, T* to) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < classes; ++i) sum += logits[i];
  const T mean = sum / static_cast<T>(classes);
  T squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < classes; ++i) {
    to[i] = logits[i] - mean;
    squares += to[i] * to[i];
  }
  const int64_t degrees = classes > 1 ? classes - 1 : 1;
  const auto deviation = static_cast<T>(sqrt(static_cast<double>(squares) / static_cast<double>(degrees)));
  const T inverse = T(1) / (deviation + static_cast<T>(math::kStandardiseEpsilon));
#pragma omp simd
  for (int64_t i = 0; i < classes; ++i) to[i] *= inverse;
  return {inverse, math::standardised_slope(deviation, classes)};
}

template <typename T>
void project(const Standardised<T>& of, const T* standardised, int64_t classes, T* gradient) {
  T sum = 0;
  T weighted = 0;
#pragma omp simd reduction(+ : sum, weighted)
  for (int64_t i = 0; i < classes; ++i) {
    sum += gradient[i];
    weighted += gradient[i] * standardised[i];
  }
  const T mean = sum / static_cast<T>(classes);
  weighted *= of.slope;
#pragma omp simd
  for (int64_t i = 0; i < classes; ++i) gradient[i] = (gradient[i] - mean) * of.inverse - standardised[i] * weighted;
}

}  // namespace

RETORT_DEFINE_KERNELS(StandardiseKernels, standardise_kernels, &standardise_row<T>, &project<T>)

}  // namespace retort::kernels::RETORT_ISA
