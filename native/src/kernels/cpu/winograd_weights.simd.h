// Weights to Winograd's points, and the gradients of weights back.
#pragma once

#include "kernels/cpu/winograd_tiles.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

constexpr int kTaps = 9;

/// How far apart weights lie.
struct WeightStrides {
  explicit WeightStrides(const ConvolutionWeights& weights)
      : filter(kTaps * weights.channels),
        channel(weights.channels_last ? 1 : kTaps),
        tap(weights.channels_last ? weights.channels : 1) {}

  int64_t filter;
  int64_t channel;
  int64_t tap;
};

/// Weights as a matrix of columns and depth, of which each element is nine taps.
struct TapMatrix {
  const float* values;
  int64_t columns;
  int64_t depth;
  int64_t column_stride;
  int64_t depth_stride;
  int64_t tap_stride;

  __attribute__((always_inline)) const float* at(int64_t column, int64_t d, int64_t tap) const {
    return values + column * column_stride + d * depth_stride + tap * tap_stride;
  }
};

RETORT_INLINE TapMatrix matrix_of(const ConvolutionWeights& weights, const float* values, bool of_gradient) {
  const WeightStrides strides(weights);
  return of_gradient
             ? TapMatrix{values, weights.channels, weights.filters, strides.channel, strides.filter, strides.tap}
             : TapMatrix{values, weights.filters, weights.channels, strides.filter, strides.channel, strides.tap};
}

/// A square of columns and depth.
using Taps = float[kLanes<float>][kTaps][kLanes<float>];

/// Reads taps[d][tap][column], from a place on. Zeros take the place of columns that are not there.
inline void read_taps(const TapMatrix& matrix, int64_t column, int64_t depth, int64_t count, Taps& taps) {
  constexpr int lanes = kLanes<float>;
  const int64_t columns = math::smaller(lanes, matrix.columns - column);
  const float* end = matrix.at(matrix.columns - 1, matrix.depth - 1, kTaps - 1) + 1;
  const bool is_square = columns == lanes && count == lanes;
  if (columns == lanes && matrix.column_stride == 1) {
    for (int64_t d = 0; d < count; ++d) {
      for (int tap = 0; tap < kTaps; ++tap) store<float>(taps[d][tap], load(matrix.at(column, depth + d, tap)));
    }
  } else if (is_square && matrix.depth_stride == 1) {
    for (int tap = 0; tap < kTaps; ++tap) {
      Floats block[lanes];
      for (int i = 0; i < lanes; ++i) block[i] = load(matrix.at(column + i, depth, tap));
      transpose<float>(block);
      for (int d = 0; d < lanes; ++d) store<float>(taps[d][tap], block[d]);
    }
  } else if (
      is_square && matrix.tap_stride == 1 && matrix.at(column + lanes - 1, depth + lanes - 1, 2 * lanes) <= end) {
    for (int d = 0; d < lanes; ++d) {
      for (int first = 0; first < kTaps; first += lanes) {
        Floats block[lanes];
        for (int i = 0; i < lanes; ++i) block[i] = load(matrix.at(column + i, depth + d, first));
        transpose<float>(block);
        for (int tap = first; tap < kTaps && tap < first + lanes; ++tap) store<float>(taps[d][tap], block[tap - first]);
      }
    }
  } else {
    for (int64_t d = 0; d < count; ++d) {
      for (int tap = 0; tap < kTaps; ++tap) {
        for (int64_t i = 0; i < lanes; ++i) taps[d][tap][i] = i < columns ? *matrix.at(column + i, depth + d, tap) : 0;
      }
    }
  }
}

void pack_weights(const ConvolutionWeights& weights, const float* values, bool of_gradient, int64_t panel, float* to) {
  constexpr int lanes = kLanes<float>;
  const TapMatrix matrix = matrix_of(weights, values, of_gradient);
  const int64_t point_stride = matrix.depth * kWinogradPanel;
  for (int64_t depth = 0; depth < matrix.depth; depth += lanes) {
    const int64_t count = math::smaller(lanes, matrix.depth - depth);
    for (int64_t lane = 0; lane < kWinogradPanel; lane += lanes) {
      Taps taps;
      read_taps(matrix, panel * kWinogradPanel + lane, depth, count, taps);
      float* row = to + depth * kWinogradPanel + lane;
      for (int64_t d = 0; d < count; ++d, row += kWinogradPanel) {
        const auto get = [&](int y, int x) { return load(taps[d][of_gradient ? kTaps - 1 - 3 * y - x : 3 * y + x]); };
        const auto put = [&](int y, int x, Floats transformed) {
          store<float>(row + (y * kWinogradPatch + x) * point_stride, transformed);
        };
        transform_square<WeightTransform>(get, put);
      }
    }
  }
}

void transform_sums(
    const WinogradSums* parts, int64_t part_count, const ConvolutionWeights& weights, int64_t filter, float* gradient) {
  constexpr int lanes = kLanes<float>;
  const WeightStrides strides(weights);
  for (int64_t c = 0; c < weights.channels; c += lanes) {
    const auto get = [&](int y, int x) {
      Floats sum = {};
      for (int64_t part = 0; part < part_count; ++part) {
        const WinogradSums& sums = parts[part];
        sum += load(sums.values + (y * kWinogradPatch + x) * sums.point_stride + filter * sums.row_stride + c);
      }
      return sum;
    };
    float taps[kTaps][lanes];
    transform_square<WeightGradientTransform>(
        get, [&](int y, int x, Floats transformed) { store<float>(taps[3 * y + x], transformed); });
    float* to = gradient + filter * strides.filter + c * strides.channel;
    const int64_t count = math::smaller(lanes, weights.channels - c);
    for (int64_t i = 0; i < count; ++i) {
      for (int tap = 0; tap < kTaps; ++tap) to[i * strides.channel + tap * strides.tap] = taps[tap][i];
    }
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
