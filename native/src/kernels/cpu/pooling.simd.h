#pragma once

#include "kernels/cpu/eigen.simd.h"
#include "kernels/cpu/feature_map.h"
#include "kernels/math/pooling.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// A feature map as the matrix [channels, height * width] of a smaller size, averaged down to it where it differs.
template <typename T>
class PooledMap {
 public:
  PooledMap(const FeatureMap<T>& map, int64_t height, int64_t width)
      : map_(map), height_(height), width_(width), is_pooled_(map.height != height || map.width != width) {
    if (!is_pooled_) return;
    pooled_.resize(map.channels, positions());
    RowVector<T> sums(map.width);
    for (int64_t c = 0; c < map.channels; ++c) {
      const ConstMatrixView<T> input(map.values + c * map.height * map.width, map.height, map.width);
      T* output = pooled_.row(c).data();
      for (int64_t y = 0; y < height; ++y, output += width) {
        const int64_t begin = math::window_begin(y, map.height, height);
        const int64_t rows = math::window_end(y, map.height, height) - begin;
        sums.noalias() = input.row(begin);
        for (int64_t i = 1; i < rows; ++i) sums += input.row(begin + i);
        average_columns(sums.data(), rows, output);
      }
    }
  }

  int64_t channels() const { return map_.channels; }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t positions() const { return height_ * width_; }
  bool wants_gradient() const { return map_.gradient != nullptr; }

  ConstMatrixView<T> matrix() const { return {is_pooled_ ? pooled_.data() : map_.values, channels(), positions()}; }

  /// Writes the map's gradient, or adds to it, given the matrix's.
  template <typename Expression>
  void set_gradient(const Expression& gradient, bool add) const {
    if (!is_pooled_) {
      MatrixView<T> output(map_.gradient, channels(), positions());
      if (add) {
        output.noalias() += gradient;
      } else {
        output.noalias() = gradient;
      }
      return;
    }
    const Matrix<T> of_pooled = gradient;
    RowVector<T> shares(map_.width);
    for (int64_t c = 0; c < map_.channels; ++c) {
      MatrixView<T> output(map_.gradient + c * map_.height * map_.width, map_.height, map_.width);
      if (!add) output.setZero();
      const T* input = of_pooled.row(c).data();
      for (int64_t y = 0; y < height_; ++y, input += width_) {
        const int64_t begin = math::window_begin(y, map_.height, height_);
        const int64_t rows = math::window_end(y, map_.height, height_) - begin;
        spread_columns(input, rows, shares.data());
        for (int64_t i = 0; i < rows; ++i) output.row(begin + i) += shares;
      }
    }
  }

 private:
  /// Averages windows of `rows` rows, whose sums are given.
  void average_columns(const T* sums, int64_t rows, T* averages) const {
    if (map_.width == 2 * width_) {  // as in most networks
      const T weight = T(1) / T(2 * rows);
#pragma omp simd
      for (int64_t x = 0; x < width_; ++x) averages[x] = (sums[2 * x] + sums[2 * x + 1]) * weight;
      return;
    }
    for (int64_t x = 0; x < width_; ++x) {
      const int64_t begin = math::window_begin(x, map_.width, width_);
      const int64_t end = math::window_end(x, map_.width, width_);
      T sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += sums[i];
      averages[x] = sum / T(rows * (end - begin));
    }
  }

  /// The share of each column of windows of `rows` rows in the gradient of their averages.
  void spread_columns(const T* averages, int64_t rows, T* shares) const {
    if (map_.width == 2 * width_) {
      const T weight = T(1) / T(2 * rows);
#pragma omp simd
      for (int64_t x = 0; x < width_; ++x) shares[2 * x] = shares[2 * x + 1] = averages[x] * weight;
      return;
    }
    for (int64_t i = 0; i < map_.width; ++i) shares[i] = 0;
    for (int64_t x = 0; x < width_; ++x) {
      const int64_t begin = math::window_begin(x, map_.width, width_);
      const int64_t end = math::window_end(x, map_.width, width_);
      for (int64_t i = begin; i < end; ++i) shares[i] += averages[x] / T(rows * (end - begin));
    }
  }

  FeatureMap<T> map_;
  int64_t height_;
  int64_t width_;
  bool is_pooled_;
  Matrix<T> pooled_;
};

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
