#pragma once

#include <math.h>

#include "kernels/cpu/pooled_map.simd.h"
#include "kernels/cpu/sums.simd.h"
#include "kernels/math/nst.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// The lengths of a map's channels.
template <typename T>
class ChannelNorms {
 public:
  ChannelNorms(const PooledMap<T>& map, Scratch& scratch)
      : norms_(take<double>(scratch, map.channels())), inverses_(take<T>(scratch, map.channels())) {
    const Strided<const T> matrix = map.matrix();
    if (map.channels_last()) {
      T* sums = inverses_;
      for (int64_t c = 0; c < map.channels(); ++c) sums[c] = 0;
      const T* x = matrix.values;
      add_over_positions(
          map.positions(), map.channels(), sums, [&](int64_t, int64_t i, int64_t) { return x[i] * x[i]; });
      for (int64_t c = 0; c < map.channels(); ++c) set(c, static_cast<double>(sums[c]), map);
    } else {
      for (int64_t c = 0; c < map.channels(); ++c) set(c, sum_of_squares(matrix.at(c, 0), map.positions()), map);
    }
  }

  double norm(int64_t c) const { return norms_[c]; }
  bool is_short(int64_t c) const { return norms_[c] < math::kSmallestNorm; }
  /// What to multiply the channels by.
  const T* inverses() const { return inverses_; }

 private:
  void set(int64_t c, double square, const PooledMap<T>& map) {
    // Squares of T may be too large for it, or so small that they are lost.
    const bool is_safe = square > 1e-30 && square < 1e30;
    norms_[c] = sqrt(is_safe ? square : exact_square(map.matrix(), c, map.positions()));
    inverses_[c] = static_cast<T>(1 / (is_short(c) ? math::kSmallestNorm : norms_[c]));
  }

  static double exact_square(Strided<const T> matrix, int64_t c, int64_t positions) {
    double sum = 0;
    for (int64_t p = 0; p < positions; ++p) {
      const double value = static_cast<double>(*matrix.at(c, p));
      sum += value * value;
    }
    return sum;
  }

  double* norms_;
  T* inverses_;
};

/// Writes a map's channels, divided by their lengths, to `unit` (channel, position).
template <typename T>
void write_unit_channels(const PooledMap<T>& map, const ChannelNorms<T>& norms, Strided<T> unit) {
  const Strided<const T> matrix = map.matrix();
  const T* inverses = norms.inverses();
  if (matrix.column_stride == 1 && unit.column_stride == 1) {
    for (int64_t c = 0; c < map.channels(); ++c) {
      const T* from = matrix.at(c, 0);
      T* to = unit.at(c, 0);
#pragma omp simd
      for (int64_t p = 0; p < map.positions(); ++p) to[p] = from[p] * inverses[c];
    }
  } else if (matrix.row_stride == 1 && unit.row_stride == 1) {
    for (int64_t p = 0; p < map.positions(); ++p) {
      const T* from = matrix.at(0, p);
      T* to = unit.at(0, p);
#pragma omp simd
      for (int64_t c = 0; c < map.channels(); ++c) to[c] = from[c] * inverses[c];
    }
  } else {
    for (int64_t c = 0; c < map.channels(); ++c) {
      for (int64_t p = 0; p < map.positions(); ++p) *unit.at(c, p) = *matrix.at(c, p) * inverses[c];
    }
  }
}

/// Turns the gradient by the unit channels into the gradient by the channels.
template <typename T>
void project_gradient(
    const PooledMap<T>& map, const ChannelNorms<T>& norms, double scale, double dead_channel_norm, Scratch& scratch) {
  const Strided<const T> values = map.matrix();
  const Strided<T> gradient = map.gradient();
  const T* inverses = norms.inverses();
  const int64_t channels = map.channels();
  const int64_t positions = map.positions();
  T* factors = take<T>(scratch, channels);
  for (int64_t c = 0; c < channels; ++c) {
    factors[c] = static_cast<T>(math::nst_gradient_factor(norms.norm(c), scale, dead_channel_norm));
  }
  if (map.channels_last()) {
    T* along = zeros<T>(scratch, channels);
    const T* all_values = values.values;
    const T* all_gradients = gradient.values;
    add_over_positions(positions, channels, along, [&](int64_t, int64_t i, int64_t c) {
      return all_values[i] * inverses[c] * all_gradients[i];
    });
    for (int64_t c = 0; c < channels; ++c) {
      if (norms.is_short(c)) along[c] = 0;
    }
    for (int64_t p = 0; p < positions; ++p) {
      const T* x = values.at(0, p);
      T* g = gradient.at(0, p);
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        g[c] = factors[c] == T(0) ? T(0) : (g[c] - along[c] * (x[c] * inverses[c])) * factors[c];
      }
    }
    return;
  }
  for (int64_t c = 0; c < channels; ++c) {
    const T* x = values.at(c, 0);
    T* g = gradient.at(c, 0);
    if (factors[c] == T(0)) {
      for (int64_t p = 0; p < positions; ++p) g[p] = 0;
      continue;
    }
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t p = 0; p < positions; ++p) sum += x[p] * inverses[c] * g[p];
    if (norms.is_short(c)) sum = 0;
#pragma omp simd
    for (int64_t p = 0; p < positions; ++p) g[p] = (g[p] - sum * (x[p] * inverses[c])) * factors[c];
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
