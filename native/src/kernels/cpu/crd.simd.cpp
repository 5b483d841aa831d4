// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/crd.simd.h"

#include <math.h>

#include "kernels/math/crd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Candidates that are scored at once: their rows of 128 floats stay in the first-level cache until the gradient.
constexpr int64_t kBlock = 32;

template <typename T>
const T* row_of(const CrdAnchor<T>& anchor, int64_t candidate) {
  return anchor.memory + anchor.contrast[candidate] * anchor.dimension;
}

/// Asks for a row that will be needed soon: rows lie anywhere in a memory that fits in no cache.
template <typename T>
void prefetch(const CrdAnchor<T>& anchor, int64_t candidate) {
  if (candidate >= anchor.candidates) return;
  const char* row = reinterpret_cast<const char*>(row_of(anchor, candidate));
  const int64_t bytes = anchor.dimension * static_cast<int64_t>(sizeof(T));
  for (int64_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(row + offset);
}

template <typename T>
T inner_product(const T* a, const T* b, int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// The scores of `count` candidates from `begin` on: their inner products with the anchor, divided by the temperature.
/// Four at once, since one sum would wait for each of its additions.
template <typename T>
void score(const CrdAnchor<T>& anchor, int64_t begin, int64_t count, T* scores) {
  constexpr int64_t kAhead = 12;
  const T* a = anchor.embedding;
  const int64_t n = anchor.dimension;
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    for (int64_t k = 0; k < 4; ++k) prefetch(anchor, begin + j + kAhead + k);
    const T* row0 = row_of(anchor, begin + j);
    const T* row1 = row_of(anchor, begin + j + 1);
    const T* row2 = row_of(anchor, begin + j + 2);
    const T* row3 = row_of(anchor, begin + j + 3);
    T sum0 = 0;
    T sum1 = 0;
    T sum2 = 0;
    T sum3 = 0;
#pragma omp simd reduction(+ : sum0, sum1, sum2, sum3)
    for (int64_t i = 0; i < n; ++i) {
      sum0 += a[i] * row0[i];
      sum1 += a[i] * row1[i];
      sum2 += a[i] * row2[i];
      sum3 += a[i] * row3[i];
    }
    scores[j] = sum0 * anchor.inverse_temperature;
    scores[j + 1] = sum1 * anchor.inverse_temperature;
    scores[j + 2] = sum2 * anchor.inverse_temperature;
    scores[j + 3] = sum3 * anchor.inverse_temperature;
  }
  for (; j < count; ++j) scores[j] = inner_product(a, row_of(anchor, begin + j), n) * anchor.inverse_temperature;
}

/// Adds `count` candidates' rows from `begin` on, times `slopes`, to the gradient.
template <typename T>
void accumulate(const CrdAnchor<T>& anchor, int64_t begin, int64_t count, const T* slopes, T* gradient) {
  const int64_t n = anchor.dimension;
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    const T* row0 = row_of(anchor, begin + j);
    const T* row1 = row_of(anchor, begin + j + 1);
    const T* row2 = row_of(anchor, begin + j + 2);
    const T* row3 = row_of(anchor, begin + j + 3);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      gradient[i] += slopes[j] * row0[i] + slopes[j + 1] * row1[i] + slopes[j + 2] * row2[i] + slopes[j + 3] * row3[i];
    }
  }
  for (; j < count; ++j) {
    const T* row = row_of(anchor, begin + j);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) gradient[i] += slopes[j] * row[i];
  }
}

template <typename T>
double softplus_sum(const CrdAnchor<T>& anchor, const CrdScoring<T>& scoring) {
  T* gradient = scoring.gradient;
  if (gradient) {
    for (int64_t i = 0; i < anchor.dimension; ++i) gradient[i] = 0;
  }
  T scores[kBlock];
  double total = 0;
  for (int64_t begin = 0; begin < anchor.candidates; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, anchor.candidates - begin);
    score(anchor, begin, count, scores);
    for (int64_t j = 0; j < count; ++j) scores[j] -= scoring.offset;
    // The positive is to be taken for data, the negatives for noise.
    if (begin == 0) scores[0] = -scores[0];
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
      const T x = scores[j];
      const T decay = math::exp_nonpositive(x < T(0) ? x : -x);
      sum += math::softplus(x, decay);
      scores[j] = math::sigmoid(x, decay);
    }
    total += static_cast<double>(sum);
    if (!gradient) continue;
    if (begin == 0) scores[0] = -scores[0];
    for (int64_t j = 0; j < count; ++j) scores[j] *= scoring.gradient_scale;
    accumulate(anchor, begin, count, scores, gradient);
  }
  return total;
}

template <typename T>
ExponentialSum exponential_sum(const CrdAnchor<T>& anchor) {
  ExponentialSum total = {-HUGE_VAL, 0};
  T scores[kBlock];
  for (int64_t begin = 0; begin < anchor.candidates; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, anchor.candidates - begin);
    score(anchor, begin, count, scores);
    for (int64_t j = 0; j < count; ++j) {
      const double s = static_cast<double>(scores[j]);
      if (s > total.largest) {
        total.scaled_sum = total.scaled_sum * exp(total.largest - s) + 1;
        total.largest = s;
      } else {
        total.scaled_sum += exp(s - total.largest);
      }
    }
  }
  return total;
}

}  // namespace

double crd_anchor(const CrdAnchor<float>& anchor, const CrdScoring<float>& scoring) {
  return softplus_sum(anchor, scoring);
}
double crd_anchor(const CrdAnchor<double>& anchor, const CrdScoring<double>& scoring) {
  return softplus_sum(anchor, scoring);
}
ExponentialSum crd_exponential_sum(const CrdAnchor<float>& anchor) {
  return exponential_sum(anchor);
}
ExponentialSum crd_exponential_sum(const CrdAnchor<double>& anchor) {
  return exponential_sum(anchor);
}

}  // namespace retort::kernels::RETORT_ISA
