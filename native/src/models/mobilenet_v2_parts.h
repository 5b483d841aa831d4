#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>

#include "models/torchscript/program_source.h"

namespace retort {

/// Inverted residual blocks of one size, a line of the paper's table 2.
struct MobileNetV2Group {
  int64_t expansion;
  int64_t channels;
  int64_t blocks;
  /// Of the first block.
  int64_t stride;
};

constexpr MobileNetV2Group kMobileNetV2Groups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                                   {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/// The channels before the average.
constexpr int64_t kMobileNetV2Last = 1280;

/// Requires a multiplier of channels between 1/16, which leaves one channel, and 16.
/// @param function the maker's name
void check_mobilenet_v2_width(const char* function, double width);

/// The classifier as both families draw it: normal with deviation 0.01, its bias 0.
torch::nn::Linear mobilenet_v2_classifier(int64_t in, int64_t classes);

/// A chain of convolutions and, where the map keeps its shape, a shortcut. Its part is called conv.
class InvertedResidual final : public torch::nn::Module, public Scripted {
 public:
  /// @param adds whether the input is added
  InvertedResidual(torch::nn::Sequential conv, bool adds);

  at::Tensor forward(const at::Tensor& x);

  ProgramSource program_source() const override;

 private:
  torch::nn::Sequential conv_;
  bool adds_;
};

}  // namespace retort
