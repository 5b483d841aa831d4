#pragma once

#include <retort/train/sgd.h>

#include <memory>

namespace retort::test {

inline std::shared_ptr<SgdOptions> sgd(double learning_rate, double momentum = 0.0, double weight_decay = 0.0) {
  auto options = std::make_shared<SgdOptions>();
  options->learning_rate = learning_rate;
  options->momentum = momentum;
  options->weight_decay = weight_decay;
  return options;
}

}  // namespace retort::test
