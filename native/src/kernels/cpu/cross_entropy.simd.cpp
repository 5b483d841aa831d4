// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/cross_entropy.simd.h"

#include <math.h>

#include "kernels/math/cross_entropy.h"
#include "kernels/math/exp.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Rows of up to as many classes are copied to where they can be filled up to whole vectors: what is left of a loop
/// would take longer than a vector more.
constexpr int64_t kFewClasses = 64;
constexpr int64_t kLanes = 16;

/// Writes e^(logit - largest) for each logit; returns their sum.
template <typename T>
T exponentials(const T* logits, int64_t count, T largest, T* to) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < count; ++c) {
    to[c] = math::exp_nonpositive(logits[c] - largest);
    sum += to[c];
  }
  return sum;
}

template <typename T>
T sum_of_exponentials(const T* logits, int64_t count, T largest) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < count; ++c) sum += math::exp_nonpositive(logits[c] - largest);
  return sum;
}

template <typename T>
T largest_of(const T* logits, int64_t count) {
  T largest = logits[0];
#pragma omp simd reduction(max : largest)
  for (int64_t c = 0; c < count; ++c) largest = logits[c] > largest ? logits[c] : largest;
  return largest;
}

/// The loss and the gradient.
/// @param exponential of each logit; may be null if no gradient is asked for
template <typename T>
double finish(const CrossEntropyRow<T>& row, const T* exponential, T largest, T sum) {
  const math::CrossEntropyTarget target(row.label, row.class_weights, row.share, row.label_smoothing, row.classes);
  // Without smoothing no class but the label's counts.
  const int64_t first = row.label_smoothing > 0 ? 0 : row.label;
  const int64_t end = row.label_smoothing > 0 ? row.classes : row.label + 1;
  const double log_sum = log(static_cast<double>(sum));
  double loss = 0;
  double total = 0;
  for (int64_t c = first; c < end; ++c) {
    const double weight = target[c];
    total += weight;
    if (weight > 0) loss += weight * (log_sum - static_cast<double>(row.logits[c] - largest));
  }
  if (row.gradient) {
    const T scale = static_cast<T>(total / static_cast<double>(sum));
#pragma omp simd
    for (int64_t c = 0; c < row.classes; ++c) row.gradient[c] = exponential[c] * scale;
    for (int64_t c = first; c < end; ++c) row.gradient[c] -= static_cast<T>(target[c]);
  }
  return loss;
}

template <typename T>
double row_loss(const CrossEntropyRow<T>& row) {
  if (row.classes > kFewClasses) {
    const T largest = largest_of(row.logits, row.classes);
    const T sum = row.gradient ? exponentials(row.logits, row.classes, largest, row.gradient)
                               : sum_of_exponentials(row.logits, row.classes, largest);
    return finish(row, row.gradient, largest, sum);
  }
  alignas(64) T logits[kFewClasses];
  alignas(64) T exponential[kFewClasses];
  const int64_t whole = (row.classes + kLanes - 1) / kLanes * kLanes;
  if (whole < kLanes) __builtin_unreachable();
  // Where there is no class: of such the exponential is 0, and none is the largest.
  for (int64_t c = whole - kLanes; c < whole; ++c) logits[c] = -__builtin_huge_val();
  for (int64_t c = 0; c < row.classes; ++c) logits[c] = row.logits[c];
  const T largest = largest_of(logits, whole);
  const T sum = exponentials(logits, whole, largest, exponential);
  return finish(row, exponential, largest, sum);
}

}  // namespace

RETORT_DEFINE_KERNELS(CrossEntropyKernels, cross_entropy_kernels, &row_loss<T>)

}  // namespace retort::kernels::RETORT_ISA
