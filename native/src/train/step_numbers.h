#pragma once

#include <cstdint>

namespace retort {

/// Places of the numbers that a step is told: the weights of its losses are followed by one factor for each, by which
/// the gradients of these losses begin.
enum GivenPlace : int64_t { kLearningRate, kInverseScale, kWeights };

constexpr int64_t count_given(int64_t losses) {
  return kWeights + 2 * losses;
}

}  // namespace retort
