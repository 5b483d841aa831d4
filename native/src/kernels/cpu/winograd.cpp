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
Division by_tiles(int64_t tiles, int64_t filters, int64_t threads) {
  constexpr int64_t fewest_tiles = 16;
  const int64_t tile_parts = std::clamp<int64_t>(tiles / fewest_tiles, 1, threads);
  return {tile_parts, std::min(quotient_up(threads, tile_parts), quotient_up(filters, kPair))};
}

/// Filters first, since the weights are transformed for each part of the tiles.
Division by_filters(int64_t tiles, int64_t filters, int64_t threads) {
  constexpr int64_t fewest_tiles = 32;
  const int64_t filter_parts = std::min(threads, quotient_up(filters, kPair));
  return {std::clamp<int64_t>(threads / filter_parts, 1, std::max<int64_t>(1, tiles / fewest_tiles)), filter_parts};
}

struct Convolution {
  TiledMaps inputs;
  TiledMaps outputs;
  const float* input;
  WinogradEpilogue epilogue;
  float* output;
};

/// Computes some channels of some tiles of the result, one block of tiles after the other.
void convolve(const Convolution& all, const float* packed, Range tiles, Range filters, Scratch& scratch) {
  const WinogradKernels& kernels = winograd_kernels();
  const int64_t channels = all.inputs.channels;
  const int64_t count = tiles.end - tiles.begin;
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
        inputs, block.end - block.begin, packed, channels, {filters.begin, filters.begin + product_stride}, products);
    kernels.transform_products(products, all.outputs, block, filters, all.epilogue, all.output);
  }
}

struct Weights {
  ConvolutionWeights shape;
  const float* values;
  bool of_gradient;
};

/// The same, one pair of panels after the other, which stays in the cache while it is used: where there are few tiles,
/// weights take longer to be written to memory and read again than to be multiplied.
void convolve_pairs(const Convolution& all, const Weights& weights, Range tiles, Range filters, Scratch& scratch) {
  const WinogradKernels& kernels = winograd_kernels();
  const int64_t channels = all.inputs.channels;
  const int64_t count = tiles.end - tiles.begin;
  const TransformedTiles inputs = take_tiles(scratch, count, up_to_panel(channels));
  const TransformedTiles products = take_tiles(scratch, count, kPair);
  float* packed = take_floats(scratch, 2 * panel_size(channels));
  kernels.transform_input(all.inputs, all.input, tiles, {0, channels}, take_zeros(scratch, channels), inputs);
  for (int64_t first = filters.begin; first < filters.end; first += kPair) {
    const Range pair = {first, std::min(first + kPair, filters.end)};
    const int64_t panels = quotient_up(pair.end - pair.begin, kWinogradPanel);
    for (int64_t i = 0; i < panels; ++i) {
      kernels.pack_weights(
          weights.shape, weights.values, weights.of_gradient, first / kWinogradPanel + i,
          packed + i * panel_size(channels));
    }
    kernels.multiply(inputs, count, packed, channels, {0, panels * kWinogradPanel}, products);
    kernels.transform_products(products, all.outputs, tiles, pair, all.epilogue, all.output);
  }
}

/// Calls function(tiles, filters, scratch) for all parts.
template <typename Function>
void for_each_part(const Division& division, int64_t tiles, int64_t filters, const Function& function) {
  parallel_for(0, division.tile_parts * division.filter_parts, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t i = begin; i < end; ++i) {
      scratch.reset();
      const Range some = part_of(tiles, i / division.filter_parts, division.tile_parts);
      if (some.begin == some.end) continue;
      function(some, channels_of(filters, i % division.filter_parts, division.filter_parts), scratch);
    }
  });
}

int64_t threads_for_maps(const at::Tensor& input, int64_t filters) {
  return threads_for(kWinogradPoints * tiles_of(input) * input.size(1) * filters);
}

Convolution convolution_of(const at::Tensor& input, const at::Tensor& output, const WinogradEpilogue& epilogue) {
  return {tiled(input), tiled(output), input.const_data_ptr<float>(), epilogue, output.mutable_data_ptr<float>()};
}

at::Tensor output_for(const at::Tensor& input, int64_t filters) {
  return recycled({input.size(0), filters, input.size(2), input.size(3)}, at::kFloat, kLast);
}

at::Tensor apply_packed(const at::Tensor& input, const at::Tensor& packed, const WinogradEpilogue& epilogue) {
  const int64_t filters = packed.size(0);
  const int64_t tiles = tiles_of(input);
  at::Tensor output = output_for(input, filters);
  const Convolution all = convolution_of(input, output, epilogue);
  const auto* values = packed.const_data_ptr<float>();
  for_each_part(
      by_tiles(tiles, filters, threads_for_maps(input, filters)), tiles, filters,
      [&](Range some, Range of_filters, Scratch& scratch) { convolve(all, values, some, of_filters, scratch); });
  return output;
}

/// relu(scale * convolution + shift + residual) of packed weights.
at::Tensor apply(
    const at::Tensor& input, const at::Tensor& packed, const std::optional<at::Tensor>& scale,
    const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual, bool relu) {
  return apply_packed(input, packed, {values_of(scale), values_of(shift), values_of(residual), relu});
}

/// Whether transformed inputs are much smaller than weights and stay in the second-level cache, as measured.
bool are_few(int64_t tiles, int64_t channels, int64_t filters) {
  constexpr int64_t most_bytes = int64_t{3} << 20;
  const int64_t bytes = kWinogradPoints * tiles * channels * static_cast<int64_t>(sizeof(float));
  return 2 * tiles <= filters && bytes <= most_bytes;
}

/// The same of weights that are used once, or, of a gradient, the transpose of the convolution.
at::Tensor convolve_once(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& scale,
    const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual, bool relu, bool of_gradient) {
  const WinogradEpilogue epilogue = {values_of(scale), values_of(shift), values_of(residual), relu};
  const int64_t tiles = tiles_of(input);
  const int64_t filters = weight.size(of_gradient ? 1 : 0);
  if (!are_few(tiles, input.size(1), filters)) {
    return apply_packed(input, packed_weights(weight, of_gradient), epilogue);
  }
  at::Tensor output = output_for(input, filters);
  const Convolution all = convolution_of(input, output, epilogue);
  const Weights weights = {described(weight), weight.const_data_ptr<float>(), of_gradient};
  for_each_part(
      by_filters(tiles, filters, threads_for_maps(input, filters)), tiles, filters,
      [&](Range some, Range of_filters, Scratch& scratch) { convolve_pairs(all, weights, some, of_filters, scratch); });
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
  m.impl("_winograd_convolve", &convolve_once);
  m.impl("_sum_positions", &sum_positions);
}

}  // namespace retort::kernels
