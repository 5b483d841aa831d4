// How Winograd's convolutions are divided among threads. The bits of the results must not depend on it.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd.simd.h"
#include "runtime/threads.h"

namespace retort::kernels {

/// Multiplications that are worth a second thread.
constexpr int64_t kWorkOfThread = int64_t{1} << 19;
/// Rows of matrices are that much longer, since sizes that are powers of two meet in the caches.
constexpr int64_t kGap = 16;

/// Columns of products that are computed together: two panels.
constexpr int64_t kPair = 2 * kWinogradPanel;

inline int64_t quotient_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

inline int64_t up_to_panel(int64_t channels) {
  return quotient_up(channels, kWinogradPanel) * kWinogradPanel;
}

/// The i-th of nearly equal parts.
inline Range part_of(int64_t count, int64_t i, int64_t parts) {
  return {count * i / parts, count * (i + 1) / parts};
}

/// The i-th of nearly equal parts of channels; all parts but the last end between pairs of panels.
inline Range channels_of(int64_t channels, int64_t i, int64_t parts) {
  const Range pairs = part_of(quotient_up(channels, kPair), i, parts);
  return {pairs.begin * kPair, std::min(channels, pairs.end * kPair)};
}

/// The most tiles of a block, if each takes that many numbers for each point. More than fit the second-level cache
/// where the weights, which are read for each block, don't fit it either.
inline int64_t tiles_of_block(int64_t numbers) {
  return numbers < 768 ? 24 : 48;
}

/// How many threads will share that many multiplications.
inline int64_t threads_for(int64_t multiplications) {
  adopt_threads();
  if (at::in_parallel_region()) return 1;
  return std::clamp<int64_t>(multiplications / kWorkOfThread, 1, at::get_num_threads());
}

inline float* take_floats(Scratch& scratch, int64_t count) {
  return static_cast<float*>(scratch.take(static_cast<size_t>(count) * sizeof(float)));
}

inline float* take_zeros(Scratch& scratch, int64_t count) {
  float* values = take_floats(scratch, count);
  std::fill_n(values, count, 0.0f);
  return values;
}

/// Room for tiles after a transform.
inline TransformedTiles take_tiles(Scratch& scratch, int64_t tiles, int64_t row_stride) {
  const int64_t point_stride = tiles * row_stride + kGap;
  return {take_floats(scratch, kWinogradPoints * point_stride), point_stride, row_stride};
}

/// The numbers of one packed panel.
inline int64_t panel_size(int64_t depth) {
  return kWinogradPoints * depth * kWinogradPanel;
}

inline ConvolutionWeights described(const at::Tensor& weight) {
  return {weight.size(0), weight.size(1), !weight.is_contiguous()};
}

/// [columns, depth, numbers]: the last is 36 where the columns fill panels, else what makes room for all.
at::Tensor packed_weights(const at::Tensor& weight, bool of_gradient);

inline TiledMaps tiled(const at::Tensor& maps) {
  const int64_t height = maps.size(2);
  const int64_t width = maps.size(3);
  return {height, width, maps.size(1), quotient_up(height, kWinogradTile), quotient_up(width, kWinogradTile)};
}

inline int64_t tiles_of(const at::Tensor& maps) {
  return maps.size(0) * quotient_up(maps.size(2), kWinogradTile) * quotient_up(maps.size(3), kWinogradTile);
}

}  // namespace retort::kernels
