#pragma once

#include <stdint.h>

#include "runtime/isa.h"

namespace retort::kernels {

// Convolutions with 3 x 3 weights, stride 1 and padding 1 by Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, Fast
// Algorithms for Convolutional Neural Networks, 2016), of channels-last maps in float32. What is convolved in 16
// positions of the result, a tile, is 36 numbers, the points, after a transform: there, a convolution is a product of
// numbers, and the sum over channels is one of matrices for each point.

constexpr int kWinogradTile = 4;
/// The rows and columns of positions that a tile is computed from.
constexpr int kWinogradPatch = 6;
constexpr int kWinogradPoints = 36;
/// Packed weights are zero up to a multiple of these columns.
constexpr int64_t kWinogradPanel = 16;

struct Range {
  int64_t begin;
  int64_t end;
};

/// The maps of a batch, channels-last, and the tiles that they are divided into: those at the lower and right edges
/// reach beyond.
struct TiledMaps {
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t tile_rows;
  int64_t tile_columns;
};

/// Tiles after a transform: a matrix for each point, with a row for each tile and a column for each channel.
struct TransformedTiles {
  float* values;
  int64_t point_stride;
  int64_t row_stride;
};

/// [filters, channels, 3, 3], or [filters, 3, 3, channels] if they are channels-last.
struct ConvolutionWeights {
  int64_t filters;
  int64_t channels;
  bool channels_last;
};

/// What becomes of the result before it is written: relu(scale * result + shift + residual), where what is null is left
/// out.
struct WinogradEpilogue {
  /// One for each channel.
  const float* scale;
  const float* shift;
  /// As large as the result.
  const float* residual;
  bool relu;
};

/// Sums over tiles of products of a gradient's and an input's channels: a matrix for each point.
struct WinogradSums {
  float* values;
  int64_t point_stride;
  int64_t row_stride;
};

struct WinogradKernels {
  /// Packs one panel of weights, [36 points][depth][16 columns]; packed weights are one panel after the other. Columns
  /// are filters and the depth channels; the other way around, with weights turned by 180 degrees, if they are for the
  /// gradient of the input.
  void (*pack_weights)(
      const ConvolutionWeights& weights, const float* values, bool of_gradient, int64_t panel, float* to);
  /// Transforms some channels of tiles of an input, to the rows from 0 on. There are as many `zeros` as channels.
  void (*transform_input)(
      const TiledMaps& maps, const float* values, Range tiles, Range channels, const float* zeros,
      const TransformedTiles& to);
  /// The same with tiles of the gradient of a result.
  void (*transform_gradient)(
      const TiledMaps& maps, const float* values, Range tiles, Range channels, const float* zeros,
      const TransformedTiles& to);
  /// Multiplies rows by those columns of packed weights, which begin and end between panels.
  void (*multiply)(
      const TransformedTiles& inputs, int64_t rows, const float* packed, int64_t depth, Range columns,
      const TransformedTiles& products);
  /// Transforms products back, and writes the positions that are inside of the maps.
  void (*transform_products)(
      const TransformedTiles& products, const TiledMaps& maps, Range tiles, Range channels,
      const WinogradEpilogue& epilogue, float* values);
  /// Sums the products of all channels of gradients and those channels of inputs over rows, or adds to what is there.
  void (*sum_products)(
      const TransformedTiles& gradients, int64_t filters, const TransformedTiles& inputs, Range channels, int64_t rows,
      const WinogradSums& sums, bool add);
  /// Adds up parts of those sums, and transforms them back to the gradient of one filter.
  void (*transform_sums)(
      const WinogradSums* parts, int64_t part_count, const ConvolutionWeights& weights, int64_t filter,
      float* gradient);
  /// Sums each channel over positions.
  void (*sum_positions)(const float* values, int64_t positions, int64_t channels, float* sums);
};

namespace baseline {
extern const WinogradKernels winograd_kernels;
}
namespace avx2 {
extern const WinogradKernels winograd_kernels;
}
namespace avx512 {
extern const WinogradKernels winograd_kernels;
}

/// The kernels for the selected instruction set.
inline const WinogradKernels& winograd_kernels() {
  return *select(&baseline::winograd_kernels, &avx2::winograd_kernels, &avx512::winograd_kernels);
}

}  // namespace retort::kernels
