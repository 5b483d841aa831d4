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

/// A stem of convolution, BatchNorm, ReLU and maybe pooling, layers of residual blocks, the average of the map and a
/// linear classifier. Parts: conv1, bn1, layer1, … and the classifier. Taps: stem (what layer1 takes), layer1 …,
/// layer1.pre …, embedding.
class ResidualNetwork final : public ImageNetwork {
 public:
  struct Parts {
    torch::nn::Conv2d stem;
    /// Whether the maximum of 3x3 windows halves the stem's map.
    bool pools_stem;
    std::vector<std::shared_ptr<ResidualLayer>> layers;
    std::string classifier_name;
    torch::nn::Linear classifier;
  };

  /// @param name of the class, for messages
  /// @param norms as NetworkStructure's
  ResidualNetwork(const char* name, const std::vector<NormBefore>& norms, Parts parts);

  /// The BatchNorm before a layer's last ReLU.
  /// @param layer from 0 on
  /// @param norm its name in a block
  static NormBefore norm_of(size_t layer, int64_t blocks, const char* norm);

  ProgramSource program_source() const override;

 protected:
  NetworkOutput compute(const at::Tensor& images) override;

 private:
  const char* name_;
  Parts parts_;
  torch::nn::BatchNorm2d norm_;
};

}  // namespace retort
