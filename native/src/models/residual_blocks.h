#pragma once

#include <cstdint>
#include <memory>

#include "models/layers.h"

namespace retort {

/// Basic blocks: two 3x3 convolutions, each with BatchNorm, and a shortcut, which is a 1x1 convolution where the block
/// changes the map's shape. Weights are drawn in the order of the forward pass.
/// @param stride of the first block
std::shared_ptr<ResidualLayer> basic_layer(int64_t in, int64_t out, int64_t stride, int64_t blocks);

}  // namespace retort
