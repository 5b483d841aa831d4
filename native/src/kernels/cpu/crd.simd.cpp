// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/crd.simd.h"

#include <math.h>

#include "kernels/cpu/half.simd.h"
#include "kernels/cpu/scratch.simd.h"
#include "kernels/cpu/sums.simd.h"
#include "kernels/math/crd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Candidates that are scored at once: their rows of 128 floats stay in the first-level cache until the gradient.
constexpr int64_t kBlock = 32;
/// How many candidates ahead rows are asked for: they lie anywhere in a memory that fits in no cache.
constexpr int64_t kAhead = 16;

/// The rows of up to kBlock candidates, stored as S.
template <typename S, typename T>
class Rows {
 public:
  explicit Rows(const CrdAnchor<T>& anchor) : anchor_(anchor) {}

  /// Replaces row j by a candidate's.
  void fetch(int64_t j, int64_t candidate) {
    rows_[j] = row(candidate);
    if (candidate + kAhead >= anchor_.candidates) return;
    const char* ahead = reinterpret_cast<const char*>(row(candidate + kAhead));
    const int64_t bytes = anchor_.dimension * static_cast<int64_t>(sizeof(S));
    for (int64_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(ahead + offset);
  }

  const S* const* from(int64_t j) const { return rows_ + j; }
  const S* operator[](int64_t j) const { return rows_[j]; }

 private:
  const S* row(int64_t candidate) const {
    return static_cast<const S*>(anchor_.memory) + anchor_.contrast[candidate] * anchor_.dimension;
  }

  const CrdAnchor<T>& anchor_;
  const S* rows_[kBlock];
};

// Pairs of bfloat16 are read as words, whose halves are widened without a shuffle: a vector of the elements with even
// indices, and one of those with odd indices. Embeddings and gradients are brought into that order, block by block.

/// Elements of a row that are read at once.
template <typename T>
constexpr int64_t kAtOnce = 2 * kLanes<T>;

template <typename T>
struct Halves {
  Vector<T> even;
  Vector<T> odd;
};

inline Halves<float> load_halves(const BFloat16* row) {
  Vector<uint32_t> words;
  __builtin_memcpy(&words, row, sizeof words);
  const Vector<uint32_t> even = words << 16;
  const Vector<uint32_t> odd = words & 0xffff0000u;
  Halves<float> halves;
  __builtin_memcpy(&halves.even, &even, sizeof even);
  __builtin_memcpy(&halves.odd, &odd, sizeof odd);
  return halves;
}

/// Calls function(plain, ordered), the places of each of `count` elements.
template <typename T, typename Function>
void for_each_in_order(int64_t count, const Function& function) {
  int64_t d = 0;
  for (; d + kAtOnce<T> <= count; d += kAtOnce<T>) {
    for (int64_t i = 0; i < kLanes<T>; ++i) {
      function(d + 2 * i, d + i);
      function(d + 2 * i + 1, d + kLanes<T> + i);
    }
  }
  for (; d < count; ++d) function(d, d);
}

/// inner_products of an embedding in the order of halves.
inline Vector<float> inner_products(const float* embedding, const BFloat16* const* rows, int64_t count) {
  constexpr int lanes = kLanes<float>;
  Vector<float> sums[lanes];
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) sums[i] = Vector<float>{};
  int64_t d = 0;
  for (; d + kAtOnce<float> <= count; d += kAtOnce<float>) {
    const Vector<float> even = load(embedding + d);
    const Vector<float> odd = load(embedding + d + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      const Halves<float> row = load_halves(rows[i] + d);
      sums[i] += even * row.even;
      sums[i] += odd * row.odd;
    }
  }
  Vector<float> result = sums_of<float>(sums);
  for (; d < count; ++d) {
    for (int i = 0; i < lanes; ++i) result[i] += embedding[d] * widened(rows[i][d]);
  }
  return result;
}

/// Fetches the rows of `count` candidates from `begin` on, and scores them: their inner products with the anchor,
/// divided by the temperature. A whole vector of scores is written.
template <typename S, typename T>
void score(const CrdAnchor<T>& anchor, const T* embedding, int64_t begin, int64_t count, Rows<S, T>& rows, T* scores) {
  constexpr int lanes = kLanes<T>;
  for (int64_t j = 0; j < count; j += lanes) {
    for (int64_t i = j; i < j + lanes; ++i) rows.fetch(i, begin + math::smaller(i, count - 1));
    store<T>(scores + j, inner_products(embedding, rows.from(j), anchor.dimension) * anchor.inverse_temperature);
  }
}

/// Adds `count` candidates' rows, times `slopes`, to `vectors` vectors of the gradient from `d` on.
template <int vectors, typename T>
void accumulate_part(const Rows<T, T>& rows, int64_t count, const T* slopes, int64_t d, T* gradient) {
  Vector<T> sums[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) sums[v] = load(gradient + d + v * kLanes<T>);
  for (int64_t j = 0; j < count; ++j) {
    const T* row = rows[j] + d;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[v] += slopes[j] * load(row + v * kLanes<T>);
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) store<T>(gradient + d + v * kLanes<T>, sums[v]);
}

/// The same where the gradient is in the order of halves; an even number of vectors.
template <int vectors>
void accumulate_part(
    const Rows<BFloat16, float>& rows, int64_t count, const float* slopes, int64_t d, float* gradient) {
  constexpr int lanes = kLanes<float>;
  Vector<float> sums[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) sums[v] = load(gradient + d + v * lanes);
  for (int64_t j = 0; j < count; ++j) {
    const BFloat16* row = rows[j] + d;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v += 2) {
      const Halves<float> halves = load_halves(row + v * lanes);
      sums[v] += slopes[j] * halves.even;
      sums[v + 1] += slopes[j] * halves.odd;
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) store<float>(gradient + d + v * lanes, sums[v]);
}

template <typename T>
T widened(T value) {
  return value;
}

/// Adds `count` candidates' rows, times `slopes`, to the gradient.
template <typename S, typename T>
void accumulate(const Rows<S, T>& rows, int64_t count, const T* slopes, int64_t dimension, T* gradient) {
  constexpr int chunk = kChunk<T>;
  constexpr int least = sizeof(S) < sizeof(T) ? 2 : 1;
  static_assert(chunk % least == 0, "the order of halves goes by pairs of vectors");
  int64_t d = 0;
  for (; d + chunk * kLanes<T> <= dimension; d += chunk * kLanes<T>) {
    accumulate_part<chunk>(rows, count, slopes, d, gradient);
  }
  for (; d + least * kLanes<T> <= dimension; d += least * kLanes<T>) {
    accumulate_part<least>(rows, count, slopes, d, gradient);
  }
  for (; d < dimension; ++d) {
    for (int64_t j = 0; j < count; ++j) gradient[d] += slopes[j] * widened(rows[j][d]);
  }
}

/// @param embedding,gradient in the order in which rows stored as S are read
template <typename S, typename T>
double softplus_sum_in_order(
    const CrdAnchor<T>& anchor, const CrdScoring<T>& scoring, const T* embedding, T* gradient) {
  Rows<S, T> rows(anchor);
  T scores[kBlock];
  double total = 0;
  for (int64_t begin = 0; begin < anchor.candidates; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, anchor.candidates - begin);
    score(anchor, embedding, begin, count, rows, scores);
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
    if (!gradient) continue;
    if (starts_with_positive) scores[0] = -scores[0];
    for (int64_t j = 0; j < count; ++j) scores[j] *= scoring.gradient_scale;
    accumulate(rows, count, scores, anchor.dimension, gradient);
  }
  return total;
}

/// The anchor's embedding in the order of halves.
template <typename T>
const T* embedding_in_order(const CrdAnchor<T>& anchor) {
  T* ordered = take<T>(*anchor.scratch, anchor.dimension);
  for_each_in_order<T>(anchor.dimension, [&](int64_t from, int64_t to) { ordered[to] = anchor.embedding[from]; });
  return ordered;
}

template <typename T>
double softplus_sum(const CrdAnchor<T>& anchor, const CrdScoring<T>& scoring) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (anchor.storage == Storage::kBFloat16) {
      T* gradient = scoring.gradient ? zeros<T>(*anchor.scratch, anchor.dimension) : nullptr;
      const T* embedding = embedding_in_order(anchor);
      const double sum = softplus_sum_in_order<BFloat16>(anchor, scoring, embedding, gradient);
      for_each_in_order<T>(gradient ? anchor.dimension : 0, [&](int64_t plain, int64_t ordered) {
        scoring.gradient[plain] += gradient[ordered];
      });
      return sum;
    }
  }
  return softplus_sum_in_order<T>(anchor, scoring, anchor.embedding, scoring.gradient);
}

template <typename S, typename T>
ExponentialSum exponential_sum_in_order(const CrdAnchor<T>& anchor, const T* embedding) {
  ExponentialSum total = {-HUGE_VAL, 0};
  Rows<S, T> rows(anchor);
  T scores[kBlock];
  for (int64_t begin = 0; begin < anchor.candidates; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, anchor.candidates - begin);
    score(anchor, embedding, begin, count, rows, scores);
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

template <typename T>
ExponentialSum exponential_sum(const CrdAnchor<T>& anchor) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (anchor.storage == Storage::kBFloat16) {
      return exponential_sum_in_order<BFloat16>(anchor, embedding_in_order(anchor));
    }
  }
  return exponential_sum_in_order<T>(anchor, anchor.embedding);
}

}  // namespace

RETORT_DEFINE_KERNELS(CrdKernels, crd_kernels, &softplus_sum<T>, &exponential_sum<T>)

}  // namespace retort::kernels::RETORT_ISA
