// Where Winograd's convolutions are faster than oneDNN's, as native/benchmarks/convolution.cpp measures it.
#include <algorithm>

#include "convolution/conv3x3.h"

namespace retort {
namespace {

constexpr int64_t kTile = 4;
constexpr int64_t kLanes = 16;

int64_t quotient_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t tiles_of(const Conv3x3Shape& shape) {
  return shape.batch * quotient_up(shape.height, kTile) * quotient_up(shape.width, kTile);
}

/// How much of the numbers that are computed is part of the result: tiles and vectors reach beyond maps and channels.
double used_share(const Conv3x3Shape& shape) {
  const auto share = [](int64_t count, int64_t unit) {
    return static_cast<double>(count) / static_cast<double>(quotient_up(count, unit) * unit);
  };
  return share(shape.height, kTile) * share(shape.width, kTile) * share(shape.channels, kLanes) *
         share(shape.filters, kLanes);
}

}  // namespace

bool winograd_is_faster(const Conv3x3Shape& shape, const Conv3x3Use& use) {
  if (shape.batch <= 0 || shape.height <= 0 || shape.width <= 0) return false;
  // The transforms are a larger part of the work where there are few channels, as are copies.
  const int64_t fewer = std::min(shape.channels, shape.filters);
  const bool are_few = fewer < 2 * kLanes;
  if (fewer < kLanes || (are_few && !use.channels_last)) return false;
  if (used_share(shape) < (are_few ? 0.7 : 0.55)) return false;
  // To transform weights and sums takes as long as to multiply some tiles.
  return use.packed || 8 * tiles_of(shape) >= std::max(shape.channels, shape.filters);
}

bool packing_pays(const Conv3x3Shape& shape) {
  return tiles_of(shape) <= 1024;
}

}  // namespace retort
