#pragma once

#include "kernels/cpu/sample_map.simd.h"
#include "kernels/math/pooling.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// A feature map as the matrix [channels, height * width] of a smaller size, pooled down to it where it differs. It is
/// in memory as the map is: channels-last maps have their channels side by side.
template <typename T>
class PooledMap {
 public:
  PooledMap(const SampleMap<T>& map, int64_t height, int64_t width, Pooling pooling, Scratch& scratch)
      : map_(map),
        height_(height),
        width_(width),
        is_pooled_(map.height() != height || map.width() != width),
        pooling_(pooling) {
    if (!is_pooled_) {
      values_ = map.values();
      gradient_ = map.gradient();
      return;
    }
    const int64_t count = map.channels() * positions();
    T* pooled = take<T>(scratch, count);
    values_ = pooled;
    if (map.wants_gradient()) gradient_ = take<T>(scratch, count);
    if (pooling == Pooling::kMax) {
      largest_ = take<int64_t>(scratch, count);
      take_largest(pooled);
    } else if (map.channels_last()) {
      average_side_by_side(pooled);
    } else {
      sums_ = take<T>(scratch, map.width());
      average_planes(pooled);
    }
  }

  int64_t channels() const { return map_.channels(); }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t positions() const { return height_ * width_; }
  bool channels_last() const { return map_.channels_last(); }
  bool wants_gradient() const { return map_.wants_gradient(); }

  Strided<const T> matrix() const { return strided(values_); }
  /// Where to write the matrix's gradient, if the map wants one.
  Strided<T> gradient() const { return strided(gradient_); }
  /// Whether `gradient` is the map's own, where another pooling of the map may have written already.
  bool shares_gradient() const { return !is_pooled_; }

  /// Writes the map's gradient, or adds to it, given the matrix's.
  void spread_gradient(bool add) const {
    if (!is_pooled_) return;
    const bool covers_once = map_.height() % height_ == 0 && map_.width() % width_ == 0;
    const bool assigns = !add && covers_once && pooling_ == Pooling::kAverage;
    if (!add && !assigns) {
      for (int64_t i = 0; i < channels() * map_.positions(); ++i) map_.gradient()[i] = 0;
    }
    if (pooling_ == Pooling::kMax) {
      for (int64_t i = 0; i < channels() * positions(); ++i) map_.gradient()[largest_[i]] += gradient_[i];
    } else if (map_.channels_last()) {
      spread_side_by_side(assigns);
    } else {
      spread_planes(assigns);
    }
  }

 private:
  /// Rows or columns of the map that one of the matrix's positions covers.
  struct Window {
    Window(int64_t i, int64_t in, int64_t out)
        : begin(math::window_begin(i, in, out)), end(math::window_end(i, in, out)) {}
    int64_t size() const { return end - begin; }

    int64_t begin;
    int64_t end;
  };

  Window rows(int64_t y) const { return {y, map_.height(), height_}; }
  Window columns(int64_t x) const { return {x, map_.width(), width_}; }

  template <typename Element>
  Strided<Element> strided(Element* values) const {
    return channels_last() ? Strided<Element>{values, 1, channels()} : Strided<Element>{values, positions(), 1};
  }

  void average_planes(T* pooled) {
    const T* plane = map_.values();
    for (int64_t c = 0; c < channels(); ++c, plane += map_.positions()) {
      for (int64_t y = 0; y < height_; ++y, pooled += width_) {
        const Window window = rows(y);
        const T* first = plane + window.begin * map_.width();
#pragma omp simd
        for (int64_t x = 0; x < map_.width(); ++x) sums_[x] = first[x];
        for (int64_t i = 1; i < window.size(); ++i) {
          const T* row = first + i * map_.width();
#pragma omp simd
          for (int64_t x = 0; x < map_.width(); ++x) sums_[x] += row[x];
        }
        average_columns(window.size(), pooled);
      }
    }
  }

  /// Averages windows of `height` rows, whose sums are in sums_.
  void average_columns(int64_t height, T* averages) const {
    if (map_.width() == 2 * width_) {  // as in most networks
      const T weight = T(1) / T(2 * height);
#pragma omp simd
      for (int64_t x = 0; x < width_; ++x) averages[x] = (sums_[2 * x] + sums_[2 * x + 1]) * weight;
      return;
    }
    for (int64_t x = 0; x < width_; ++x) {
      const Window window = columns(x);
      T sum = 0;
      for (int64_t i = window.begin; i < window.end; ++i) sum += sums_[i];
      averages[x] = sum / T(height * window.size());
    }
  }

  void average_side_by_side(T* pooled) const {
    const int64_t n = channels();
    if (map_.height() == 2 * height_ && map_.width() == 2 * width_) {  // as in most networks
      average_squares(pooled);
      return;
    }
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x, pooled += n) {
        const Window vertical = rows(y);
        const Window horizontal = columns(x);
        for (int64_t c = 0; c < n; ++c) pooled[c] = 0;
        for (int64_t i = vertical.begin; i < vertical.end; ++i) {
          for (int64_t j = horizontal.begin; j < horizontal.end; ++j) {
            const T* position = map_.values() + (i * map_.width() + j) * n;
#pragma omp simd
            for (int64_t c = 0; c < n; ++c) pooled[c] += position[c];
          }
        }
        const T weight = T(1) / T(vertical.size() * horizontal.size());
#pragma omp simd
        for (int64_t c = 0; c < n; ++c) pooled[c] *= weight;
      }
    }
  }

  /// Averages 2 x 2 positions.
  void average_squares(T* pooled) const {
    const int64_t n = channels();
    const int64_t row = map_.width() * n;
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x, pooled += n) {
        const T* above = map_.values() + 2 * (y * row + x * n);
        const T* below = above + row;
#pragma omp simd
        for (int64_t c = 0; c < n; ++c) pooled[c] = ((above[c] + above[n + c]) + (below[c] + below[n + c])) * T(0.25);
      }
    }
  }

  /// As torch.nn.functional.adaptive_max_pool2d: the first of equals, and NaN before everything else.
  void take_largest(T* pooled) {
    const int64_t n = channels();
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t y = 0; y < height_; ++y) {
        for (int64_t x = 0; x < width_; ++x) {
          const Window vertical = rows(y);
          const Window horizontal = columns(x);
          int64_t best = element(c, vertical.begin, horizontal.begin);
          for (int64_t i = vertical.begin; i < vertical.end; ++i) {
            for (int64_t j = horizontal.begin; j < horizontal.end; ++j) {
              const int64_t here = element(c, i, j);
              const T value = map_.values()[here];
              if (value > map_.values()[best] || value != value) best = here;
            }
          }
          const int64_t position = y * width_ + x;
          const int64_t at = channels_last() ? position * n + c : c * positions() + position;
          pooled[at] = map_.values()[best];
          largest_[at] = best;
        }
      }
    }
  }

  int64_t element(int64_t c, int64_t y, int64_t x) const {
    const int64_t position = y * map_.width() + x;
    return channels_last() ? position * channels() + c : c * map_.positions() + position;
  }

  void spread_planes(bool assigns) const {
    const T* averages = gradient_;
    T* plane = map_.gradient();
    for (int64_t c = 0; c < channels(); ++c, plane += map_.positions()) {
      for (int64_t y = 0; y < height_; ++y, averages += width_) {
        const Window window = rows(y);
        share_columns(averages, window.size());
        for (int64_t i = window.begin; i < window.end; ++i) {
          T* row = plane + i * map_.width();
#pragma omp simd
          for (int64_t x = 0; x < map_.width(); ++x) row[x] = assigns ? sums_[x] : row[x] + sums_[x];
        }
      }
    }
  }

  /// Leaves in sums_ the share of each column of windows of `height` rows in the gradient of their averages.
  void share_columns(const T* averages, int64_t height) const {
    if (map_.width() == 2 * width_) {
      const T weight = T(1) / T(2 * height);
#pragma omp simd
      for (int64_t x = 0; x < width_; ++x) sums_[2 * x] = sums_[2 * x + 1] = averages[x] * weight;
      return;
    }
    for (int64_t i = 0; i < map_.width(); ++i) sums_[i] = 0;
    for (int64_t x = 0; x < width_; ++x) {
      const Window window = columns(x);
      for (int64_t i = window.begin; i < window.end; ++i) sums_[i] += averages[x] / T(height * window.size());
    }
  }

  void spread_side_by_side(bool assigns) const {
    const int64_t n = channels();
    const T* averages = gradient_;
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x, averages += n) {
        const Window vertical = rows(y);
        const Window horizontal = columns(x);
        const T weight = T(1) / T(vertical.size() * horizontal.size());
        for (int64_t i = vertical.begin; i < vertical.end; ++i) {
          for (int64_t j = horizontal.begin; j < horizontal.end; ++j) {
            T* position = map_.gradient() + (i * map_.width() + j) * n;
#pragma omp simd
            for (int64_t c = 0; c < n; ++c) {
              position[c] = weight * averages[c] + (assigns ? T(0) : position[c]);
            }
          }
        }
      }
    }
  }

  const SampleMap<T>& map_;
  int64_t height_;
  int64_t width_;
  bool is_pooled_;
  Pooling pooling_;
  const T* values_ = nullptr;
  T* gradient_ = nullptr;
  /// For each element of the matrix, the map's that it was taken from.
  int64_t* largest_ = nullptr;
  /// A row of the map's width.
  T* sums_ = nullptr;
};

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
