#pragma once

#include <cstdint>
#include <memory>

#include "models/layers.h"

namespace retort {

/// Basic blocks: two 3x3 convolutions, each with BatchNorm, and a shortcut, which is a 1x1 convolution where the block
/// changes the map's shape. Weights are drawn in the order of the forward pass.
/// @param stride of the first block
std::shared_ptr<ResidualLayer> basic_layer(int64_t in, int64_t out, int64_t stride, int64_t blocks);

/// How many times its inner channels a bottleneck block has in its output.
constexpr int64_t kBottleneckExpansion = 4;

/// Bottleneck blocks: a 1x1, a 3x3 and a 1x1 convolution, each with BatchNorm, and a shortcut as basic_layer's. The 3x3
/// convolution has the stride, as in torchvision.
/// @param inner channels of the 3x3 convolutions; the output has kBottleneckExpansion times as many
/// @param stride of the first block
std::shared_ptr<ResidualLayer> bottleneck_layer(int64_t in, int64_t inner, int64_t stride, int64_t blocks);

}  // namespace retort
