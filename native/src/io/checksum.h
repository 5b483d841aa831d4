#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace retort {

/// XXH3's 64-bit checksum, the same on every machine. It finds damage, not forgery.
/// @param seed continues the checksum of other bytes
uint64_t checksum(std::string_view bytes, uint64_t seed = 0);

/// Of a dense tensor's values on any device, in the order of its dimensions.
uint64_t checksum(const at::Tensor& tensor, uint64_t seed = 0);

}  // namespace retort
