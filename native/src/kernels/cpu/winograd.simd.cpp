// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/winograd.simd.h"

#include "kernels/cpu/product.simd.h"
#include "kernels/cpu/sums.simd.h"
#include "kernels/cpu/winograd_weights.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Rows, spread evenly over as few tiles as possible: some tiles have `rows`, those after them one less.
struct RowTiles {
  explicit RowTiles(int64_t all) : count((all + kTileRows - 1) / kTileRows), rows((all + count - 1) / count) {
    larger = all - count * (rows - 1);
  }

  int64_t count;
  int64_t rows;
  int64_t larger;
};

/// The product of some rows and one panel of columns.
template <int vectors>
void multiply_panel(
    const RowTiles& tiles, Strided<const float> a, const Panel<float>& panel, int64_t depth,
    const Result<float>& result) {
  int64_t row = 0;
  for (int64_t i = 0; i < tiles.count; ++i) {
    const int64_t rows = i < tiles.larger ? tiles.rows : tiles.rows - 1;
    multiply_rest<kTileRows, vectors>(rows, a.from(row, 0), panel, depth, vectors * kLanes<float>, result.from(row, 0));
    row += rows;
  }
}

/// The product of some rows and columns. The second factor is given by panel(column); not packed anew, since there are
/// too few rows to make up for it.
template <typename PanelAt>
void multiply_columns(
    const RowTiles& rows, Strided<const float> a, Range columns, int64_t depth, const Result<float>& result,
    const PanelAt& panel) {
  constexpr int64_t lanes = kLanes<float>;
  int64_t j = columns.begin;
  for (; j + kTileVectors * lanes <= columns.end; j += kTileVectors * lanes) {
    multiply_panel<kTileVectors>(rows, a, panel(j), depth, result.from(0, j - columns.begin));
  }
  for (; j < columns.end; j += lanes) {
    multiply_panel<1>(rows, a, panel(j), depth, result.from(0, j - columns.begin));
  }
}

void multiply(
    const TransformedTiles& inputs, int64_t rows, const float* packed, int64_t depth, Range columns,
    const TransformedTiles& products) {
  constexpr int64_t lanes = kLanes<float>;
  const RowTiles row_tiles(rows);
  constexpr bool is_in_one_panel = kTileVectors * lanes <= kWinogradPanel;
  const int64_t panel_stride = kWinogradPoints * depth * kWinogradPanel;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    const float* weights = packed + point * depth * kWinogradPanel;
    const auto panel = [&](int64_t column) {
      const float* first = weights + column / kWinogradPanel * panel_stride + column % kWinogradPanel;
      return Panel<float>{first, kWinogradPanel, is_in_one_panel ? lanes : panel_stride};
    };
    multiply_columns(
        row_tiles, {inputs.values + point * inputs.point_stride, inputs.row_stride, 1}, columns, depth,
        {products.values + point * products.point_stride, products.row_stride, 1, false}, panel);
  }
}

void sum_products(
    const TransformedTiles& gradients, int64_t filters, const TransformedTiles& inputs, Range channels, int64_t rows,
    const WinogradSums& sums, bool add) {
  constexpr int64_t lanes = kLanes<float>;
  const RowTiles row_tiles(filters);
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    const float* of_inputs = inputs.values + point * inputs.point_stride - channels.begin;
    const auto panel = [&](int64_t column) { return Panel<float>{of_inputs + column, inputs.row_stride, lanes}; };
    multiply_columns(
        row_tiles, {gradients.values + point * gradients.point_stride, 1, gradients.row_stride}, channels, rows,
        {sums.values + point * sums.point_stride + channels.begin, sums.row_stride, 1, add}, panel);
  }
}

void sum_positions(const float* values, int64_t positions, int64_t channels, float* sums) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = 0;
  add_over_positions(
      positions, channels, sums, [values](int64_t, int64_t element, int64_t) { return values[element]; });
}

}  // namespace

extern const WinogradKernels winograd_kernels = {
    &pack_weights,
    &transform_tiles<InputTransform, 1>,
    &transform_tiles<OutputGradientTransform, 0>,
    &multiply,
    &transform_products,
    &sum_products,
    &transform_sums,
    &sum_positions};

}  // namespace retort::kernels::RETORT_ISA
