#include "kernels/cpu/winograd.h"

#include <torch/library.h>

#include <numeric>
#include <optional>

#include "runtime/recycler.h"

namespace retort::kernels {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

const float* values_of(const std::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined() ? tensor->const_data_ptr<float>() : nullptr;
}

/// The work of a convolution, as tiles times filters.
struct Division {
  int64_t tile_parts;
  int64_t filter_parts;
};

/// Tiles first; where there are few, e.g. in the last stage of a network that is given a single image, filters too:
/// then inputs are transformed several times, which is little beside the products.
Division divide(int64_t tiles, int64_t channels, int64_t filters) {
  constexpr int64_t fewest_tiles = 16;
  const int64_t threads = threads_for(kWinogradPoints * tiles * channels * filters);
  const int64_t tile_parts = std::clamp<int64_t>(tiles / fewest_tiles, 1, threads);
  const int64_t filter_parts = std::min(quotient_up(threads, tile_parts), quotient_up(filters, 2 * kWinogradPanel));
  return {tile_parts, filter_parts};
}

struct Convolution {
  TiledMaps inputs;
  TiledMaps outputs;
  const float* input;
  const float* packed;
  WinogradEpilogue epilogue;
  float* output;
};

/// Computes some channels of some tiles of the result.
void convolve(const Convolution& all, Range tiles, Range filters, Scratch& scratch) {
  const WinogradKernels& kernels = winograd_kernels();
  const int64_t channels = all.inputs.channels;
  const int64_t count = tiles.end - tiles.begin;
  if (count == 0) return;
  const int64_t input_stride = up_to_panel(channels);
  const int64_t product_stride = up_to_panel(filters.end - filters.begin);
  const int64_t blocks = quotient_up(count, tiles_of_block(input_stride + product_stride));
  const int64_t most = quotient_up(count, blocks);
  const TransformedTiles inputs = take_tiles(scratch, most, input_stride);
  const TransformedTiles products = take_tiles(scratch, most, product_stride);
  const float* zeros = take_zeros(scratch, channels);
  for (int64_t i = 0; i < blocks; ++i) {
    const Range part = part_of(count, i, blocks);
    const Range block = {tiles.begin + part.begin, tiles.begin + part.end};
    kernels.transform_input(all.inputs, all.input, block, {0, channels}, zeros, inputs);
    kernels.multiply(
        inputs, block.end - block.begin, all.packed, channels, {filters.begin, filters.begin + product_stride},
        products);
    kernels.transform_products(products, all.outputs, block, filters, all.epilogue, all.output);
  }
}

/// relu(scale * convolution + shift + residual) of packed weights.
at::Tensor apply(
    const at::Tensor& input, const at::Tensor& packed, const std::optional<at::Tensor>& scale,
    const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual, bool relu) {
  const int64_t filters = packed.size(0);
  const int64_t channels = packed.size(1);
  at::Tensor output = recycled({input.size(0), filters, input.size(2), input.size(3)}, at::kFloat, kLast);
  const int64_t tiles = tiles_of(input);
  const Convolution all = {
      tiled(input),
      tiled(output),
      input.const_data_ptr<float>(),
      packed.const_data_ptr<float>(),
      {values_of(scale), values_of(shift), values_of(residual), relu},
      output.mutable_data_ptr<float>()};
  const Division division = divide(tiles, channels, filters);
  parallel_for(0, division.tile_parts * division.filter_parts, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t i = begin; i < end; ++i) {
      scratch.reset();
      convolve(
          all, part_of(tiles, i / division.filter_parts, division.tile_parts),
          channels_of(filters, i % division.filter_parts, division.filter_parts), scratch);
    }
  });
  return output;
}

/// The sum of each channel, in the order of fixed parts.
at::Tensor sum_positions(const at::Tensor& maps) {
  constexpr int64_t part = 512;
  const int64_t channels = maps.size(1);
  const int64_t positions = maps.numel() / channels;
  const int64_t parts = quotient_up(positions, part);
  const at::Tensor sums = recycled({parts, channels}, at::kFloat, at::MemoryFormat::Contiguous);
  const auto* values = maps.const_data_ptr<float>();
  auto* to = sums.mutable_data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / (part * channels));
  parallel_for(0, parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t count = std::min(part, positions - i * part);
      winograd_kernels().sum_positions(values + i * part * channels, count, channels, to + i * channels);
    }
  });
  at::Tensor result = recycled({channels}, at::kFloat, at::MemoryFormat::Contiguous);
  winograd_kernels().sum_positions(to, parts, channels, result.mutable_data_ptr<float>());
  return result;
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_winograd_apply", &apply);
  m.impl("_sum_positions", &sum_positions);
}

}  // namespace retort::kernels
