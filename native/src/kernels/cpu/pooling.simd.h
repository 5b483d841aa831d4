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
    pooled_.resize(map.channels, height * width);
    for_each_window(
        [this](const T* input, T& output, int64_t begin_x, int64_t end_x, int64_t rows, T weight) {
          T sum = 0;
          for (int64_t y = 0; y < rows; ++y) {
            for (int64_t x = begin_x; x < end_x; ++x) sum += input[y * map_.width + x];
          }
          output = sum * weight;
        },
        map_.values, pooled_.data());
  }

  int64_t channels() const { return map_.channels; }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t positions() const { return height_ * width_; }
  bool wants_gradient() const { return map_.gradient != nullptr; }

  ConstMatrixView<T> matrix() const { return {is_pooled_ ? pooled_.data() : map_.values, channels(), positions()}; }

  /// Writes the map's gradient, given the matrix's.
  template <typename Expression>
  void set_gradient(const Expression& gradient) const {
    if (!is_pooled_) {
      MatrixView<T>(map_.gradient, channels(), positions()).noalias() = gradient;
      return;
    }
    const Matrix<T> of_pooled = gradient;
    MatrixView<T>(map_.gradient, channels(), map_.height * map_.width).setZero();
    for_each_window(
        [this](T* input, const T& output, int64_t begin_x, int64_t end_x, int64_t rows, T weight) {
          for (int64_t y = 0; y < rows; ++y) {
            for (int64_t x = begin_x; x < end_x; ++x) input[y * map_.width + x] += output * weight;
          }
        },
        map_.gradient, of_pooled.data());
  }

 private:
  /// Calls `visit(first row of the window, pooled element, first column, end column, rows, 1 / elements)`.
  template <typename Visit, typename Input, typename Output>
  void for_each_window(const Visit& visit, Input* input, Output* output) const {
    for (int64_t channel = 0; channel < map_.channels; ++channel, input += map_.height * map_.width) {
      for (int64_t y = 0; y < height_; ++y) {
        const int64_t begin_y = math::window_begin(y, map_.height, height_);
        const int64_t rows = math::window_end(y, map_.height, height_) - begin_y;
        for (int64_t x = 0; x < width_; ++x, ++output) {
          const int64_t begin_x = math::window_begin(x, map_.width, width_);
          const int64_t end_x = math::window_end(x, map_.width, width_);
          visit(input + begin_y * map_.width, *output, begin_x, end_x, rows, T(1) / T(rows * (end_x - begin_x)));
        }
      }
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
