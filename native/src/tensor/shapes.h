#pragma once

#include <cstdint>
#include <vector>

namespace retort {

/// [batch, ...shape]
inline std::vector<int64_t> with_batch(int64_t batch, std::vector<int64_t> shape) {
  shape.insert(shape.begin(), batch);
  return shape;
}

}  // namespace retort
