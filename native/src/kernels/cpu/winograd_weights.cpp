// Weights of Winograd's convolutions and their gradients.
#include <torch/library.h>

#include <numeric>
#include <vector>

#include "kernels/cpu/winograd.h"
#include "runtime/recycler.h"

namespace retort::kernels {
at::Tensor packed_weights(const at::Tensor& weight, bool of_gradient) {
  const ConvolutionWeights weights = described(weight);
  const int64_t columns = of_gradient ? weights.channels : weights.filters;
  const int64_t depth = of_gradient ? weights.filters : weights.channels;
  const int64_t numbers = quotient_up(kWinogradPoints * up_to_panel(columns), columns);
  at::Tensor packed = recycled({columns, depth, numbers}, at::kFloat, at::MemoryFormat::Contiguous);
  const auto* values = weight.const_data_ptr<float>();
  auto* to = packed.mutable_data_ptr<float>();
  // Smaller parts take less time than to wake a thread.
  constexpr int64_t fewest_rows = 2048;
  parallel_for(
      0, quotient_up(columns, kWinogradPanel), quotient_up(fewest_rows, depth), [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) {
          winograd_kernels().pack_weights(weights, values, of_gradient, panel, to + panel * panel_size(depth));
        }
      });
  return packed;
}

namespace {

/// The numbers of all parts' sums.
constexpr int64_t kSumNumbers = kWinogradPoints * 65536;
constexpr int64_t kMostParts = 16;

/// Into how many parts the sum over tiles is divided, whatever the number of threads: few where each takes much memory.
int64_t parts_of_sum(int64_t tiles, int64_t sums) {
  constexpr int64_t fewest_tiles = 512;
  return std::clamp<int64_t>(std::min(kSumNumbers / sums, tiles / fewest_tiles), 1, kMostParts);
}

/// Tiles that are summed in registers before a sum goes on in memory: more where that is a larger part of the time. By
/// the whole matrices' size, on which the order of sums may depend.
int64_t tiles_of_sum(int64_t size) {
  return size <= 8192 ? 48 : size <= 32768 ? 96 : 192;
}

struct WeightGradient {
  TiledMaps inputs;
  TiledMaps gradients;
  const float* input;
  const float* gradient;
};

/// Sums over some tiles, for some channels of the input.
void sum_tiles(const WeightGradient& all, Range tiles, Range channels, const WinogradSums& sums, Scratch& scratch) {
  const WinogradKernels& kernels = winograd_kernels();
  const int64_t filters = all.gradients.channels;
  const int64_t count = tiles.end - tiles.begin;
  const int64_t input_stride = up_to_panel(channels.end - channels.begin) + kGap;
  const int64_t gradient_stride = up_to_panel(filters) + kGap;
  const int64_t blocks = quotient_up(count, tiles_of_sum(all.inputs.channels * filters));
  const int64_t most = quotient_up(count, blocks);
  const TransformedTiles inputs = take_tiles(scratch, most, input_stride);
  const TransformedTiles gradients = take_tiles(scratch, most, gradient_stride);
  const float* zeros = take_zeros(scratch, std::max(all.inputs.channels, filters));
  for (int64_t i = 0; i < blocks; ++i) {
    const Range part = part_of(count, i, blocks);
    const Range block = {tiles.begin + part.begin, tiles.begin + part.end};
    kernels.transform_input(all.inputs, all.input, block, channels, zeros, inputs);
    kernels.transform_gradient(all.gradients, all.gradient, block, {0, filters}, zeros, gradients);
    kernels.sum_products(gradients, filters, inputs, channels, block.end - block.begin, sums, i > 0);
  }
}

/// Parts first; where threads are left over, channels too: then gradients are transformed several times, which is
/// little beside the products.
int64_t channel_parts_for(int64_t parts, int64_t threads, int64_t channels) {
  return std::min(threads / std::gcd(parts, threads), quotient_up(channels, kPair));
}

at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight) {
  const ConvolutionWeights weights = described(weight);
  const WeightGradient all = {
      tiled(input), tiled(gradient), input.const_data_ptr<float>(), gradient.const_data_ptr<float>()};
  const int64_t tiles = tiles_of(input);
  const int64_t row_stride = up_to_panel(weights.channels);
  const int64_t point_stride = weights.filters * row_stride + kGap;
  const int64_t parts = parts_of_sum(tiles, kWinogradPoints * weights.filters * row_stride);
  const int64_t threads = threads_for(kWinogradPoints * tiles * weights.channels * weights.filters);
  const int64_t channel_parts = channel_parts_for(parts, threads, weights.channels);

  Scratch shared;
  std::vector<WinogradSums> sums;
  for (int64_t i = 0; i < parts; ++i) {
    sums.push_back({take_floats(shared, kWinogradPoints * point_stride), point_stride, row_stride});
  }
  const int64_t all_parts = parts * channel_parts;
  parallel_for(0, all_parts, threads == 1 ? all_parts : 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t i = begin; i < end; ++i) {
      scratch.reset();
      const int64_t part = i / channel_parts;
      sum_tiles(
          all, part_of(tiles, part, parts), channels_of(weights.channels, i % channel_parts, channel_parts),
          sums[static_cast<size_t>(part)], scratch);
    }
  });

  at::Tensor result = recycled_like(weight);
  auto* to = result.mutable_data_ptr<float>();
  const int64_t work = kWinogradPoints * parts * weights.channels;
  const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / work);
  parallel_for(0, weights.filters, grain, [&](int64_t begin, int64_t end) {
    for (int64_t filter = begin; filter < end; ++filter) {
      winograd_kernels().transform_sums(sums.data(), parts, weights, filter, to);
    }
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_winograd_pack", &packed_weights);
  m.impl("_winograd_weight_gradient", &weight_gradient);
}

}  // namespace retort::kernels
