// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/crd.simd.h"

#include <math.h>

#include "kernels/cpu/sums.simd.h"
#include "kernels/math/crd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Candidates that are scored at once: their rows of 128 floats stay in the first-level cache until the gradient.
constexpr int64_t kBlock = 32;
/// How many candidates ahead rows are asked for: they lie anywhere in a memory that fits in no cache.
constexpr int64_t kAhead = 16;

template <typename T>
const T* row_of(const CrdAnchor<T>& anchor, int64_t candidate) {
  return anchor.memory + anchor.contrast[candidate] * anchor.dimension;
}

template <typename T>
void prefetch(const CrdAnchor<T>& anchor, int64_t candidate) {
  if (candidate >= anchor.candidates) return;
  const char* row = reinterpret_cast<const char*>(row_of(anchor, candidate));
  const int64_t bytes = anchor.dimension * static_cast<int64_t>(sizeof(T));
  for (int64_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(row + offset);
}

/// The scores of `count` candidates from `begin` on: their inner products with the anchor, divided by the temperature.
template <typename T>
void score(const CrdAnchor<T>& anchor, int64_t begin, int64_t count, T* scores) {
  constexpr int lanes = kLanes<T>;
  int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    const T* rows[lanes];
    for (int i = 0; i < lanes; ++i) {
      rows[i] = row_of(anchor, begin + j + i);
      prefetch(anchor, begin + j + i + kAhead);
    }
    store<T>(scores + j, inner_products(anchor.embedding, rows, anchor.dimension) * anchor.inverse_temperature);
  }
  for (; j < count; ++j) {
    const double product = inner_product(anchor.embedding, row_of(anchor, begin + j), anchor.dimension);
    scores[j] = static_cast<T>(product) * anchor.inverse_temperature;
  }
}

/// Adds `count` candidates' rows from `begin` on, times `slopes`, to `vectors` vectors of the gradient from `d` on.
template <int vectors, typename T>
void accumulate_part(
    const CrdAnchor<T>& anchor, int64_t begin, int64_t count, const T* slopes, int64_t d, T* gradient) {
  Vector<T> sums[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) sums[v] = load(gradient + d + v * kLanes<T>);
  for (int64_t j = 0; j < count; ++j) {
    const T* row = row_of(anchor, begin + j) + d;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[v] += slopes[j] * load(row + v * kLanes<T>);
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) store<T>(gradient + d + v * kLanes<T>, sums[v]);
}

/// Adds `count` candidates' rows from `begin` on, times `slopes`, to the gradient.
template <typename T>
void accumulate(const CrdAnchor<T>& anchor, int64_t begin, int64_t count, const T* slopes, T* gradient) {
  constexpr int chunk = kChunk<T>;
  const int64_t n = anchor.dimension;
  int64_t d = 0;
  for (; d + chunk * kLanes<T> <= n; d += chunk * kLanes<T>) {
    accumulate_part<chunk>(anchor, begin, count, slopes, d, gradient);
  }
  for (; d + kLanes<T> <= n; d += kLanes<T>) accumulate_part<1>(anchor, begin, count, slopes, d, gradient);
  for (; d < n; ++d) {
    for (int64_t j = 0; j < count; ++j) gradient[d] += slopes[j] * row_of(anchor, begin + j)[d];
  }
}

template <typename T>
double softplus_sum(const CrdAnchor<T>& anchor, const CrdScoring<T>& scoring) {
  T scores[kBlock];
  double total = 0;
  for (int64_t begin = 0; begin < anchor.candidates; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, anchor.candidates - begin);
    score(anchor, begin, count, scores);
    for (int64_t j = 0; j < count; ++j) scores[j] -= scoring.offset;
    // The positive is to be taken for data, the negatives for noise.
    const bool starts_with_positive = scoring.has_positive && begin == 0;
    if (starts_with_positive) scores[0] = -scores[0];
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
      const T x = scores[j];
      const T decay = math::exp_nonpositive(x < T(0) ? x : -x);
      sum += math::softplus(x, decay);
      scores[j] = math::sigmoid(x, decay);
    }
    total += static_cast<double>(sum);
    if (!scoring.gradient) continue;
    if (starts_with_positive) scores[0] = -scores[0];
    for (int64_t j = 0; j < count; ++j) scores[j] *= scoring.gradient_scale;
    accumulate(anchor, begin, count, scores, scoring.gradient);
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

RETORT_DEFINE_KERNELS(CrdKernels, crd_kernels, &softplus_sum<T>, &exponential_sum<T>)

}  // namespace retort::kernels::RETORT_ISA
