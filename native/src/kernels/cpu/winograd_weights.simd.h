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

/// The taps of some columns, which are `column_stride` apart: all of them for each tap. Zeros follow.
inline void read_taps(
    const float* values, int64_t tap_stride, int64_t column_stride, int64_t count, float (*taps)[kLanes<float>]) {
  constexpr int lanes = kLanes<float>;
  if (column_stride == 1 && count >= lanes) {
    for (int tap = 0; tap < kTaps; ++tap) store<float>(taps[tap], load(values + tap * tap_stride));
    return;
  }
  for (int tap = 0; tap < kTaps; ++tap) {
    for (int64_t i = 0; i < lanes; ++i) taps[tap][i] = i < count ? values[tap * tap_stride + i * column_stride] : 0;
  }
}

void pack_weights(
    const ConvolutionWeights& weights, const float* values, bool of_gradient, int64_t panel, float* packed) {
  constexpr int lanes = kLanes<float>;
  const WeightStrides strides(weights);
  const int64_t columns = of_gradient ? weights.channels : weights.filters;
  const int64_t depth = of_gradient ? weights.filters : weights.channels;
  const int64_t column_stride = of_gradient ? strides.channel : strides.filter;
  const int64_t depth_stride = of_gradient ? strides.filter : strides.channel;
  const int64_t point_stride = (columns + kWinogradPanel - 1) / kWinogradPanel * kWinogradPanel * depth;
  float* to = packed + panel * depth * kWinogradPanel;
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t lane = 0; lane < kWinogradPanel; lane += lanes, to += lanes) {
      const int64_t column = panel * kWinogradPanel + lane;
      float taps[kTaps][lanes];
      read_taps(values + column * column_stride + d * depth_stride, strides.tap, column_stride, columns - column, taps);
      const auto get = [&](int y, int x) { return load(taps[of_gradient ? kTaps - 1 - 3 * y - x : 3 * y + x]); };
      const auto put = [&](int y, int x, Floats transformed) {
        store<float>(to + (y * kWinogradPatch + x) * point_stride, transformed);
      };
      transform_square<WeightTransform>(get, put);
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
