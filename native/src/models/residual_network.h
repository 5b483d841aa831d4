#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>
#include <vector>

#include "models/image_network.h"
#include "models/layers.h"

namespace retort {

/// A stem of convolution, BatchNorm and ReLU, three layers of residual blocks, the average of the map and a linear
/// classifier. Parts: conv1, bn1, layer1, layer2, layer3 and the classifier. Taps: stem, layer1 …, layer1.pre …,
/// embedding.
class ResidualNetwork final : public ImageNetwork {
 public:
  struct Parts {
    torch::nn::Conv2d stem;
    std::vector<std::shared_ptr<ResidualLayer>> layers;
    std::string classifier_name;
    torch::nn::Linear classifier;
  };

  /// @param name of the class, for messages
  /// @param norms as NetworkStructure's
  ResidualNetwork(const char* name, const std::vector<NormBefore>& norms, Parts parts);

  ProgramSource program_source() const override;

 protected:
  NetworkOutput compute(const at::Tensor& images) override;

 private:
  const char* name_;
  Parts parts_;
  torch::nn::BatchNorm2d norm_;
};

}  // namespace retort
