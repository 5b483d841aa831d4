#include "models/layers.h"

#include <torch/nn/init.h>

#include <string>
#include <utility>

namespace retort {

namespace nn = torch::nn;

nn::Conv2d conv_layer(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).groups(groups).bias(false));
}

nn::Conv2d drawn_by_fan_out(nn::Conv2d conv) {
  nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
  if (conv->bias.defined()) nn::init::zeros_(conv->bias);
  return conv;
}

ResidualLayer::ResidualLayer(std::vector<std::shared_ptr<ResidualBlock>> blocks) : blocks_(std::move(blocks)) {
  for (size_t i = 0; i < blocks_.size(); ++i) register_module(std::to_string(i), blocks_[i]);
}

at::Tensor ResidualLayer::forward(const at::Tensor& x) {
  at::Tensor out = blocks_[0]->forward(x);
  for (size_t i = 1; i < blocks_.size(); ++i) out = blocks_[i]->forward(out.relu_());
  return out;
}

ProgramSource ResidualLayer::program_source() const {
  std::string source = "def forward(self, x):\n    out = getattr(self, '0').forward(x)\n";
  for (size_t i = 1; i < blocks_.size(); ++i) {
    source += "    out = getattr(self, '" + std::to_string(i) + "').forward(out.relu_())\n";
  }
  return {"Layer", source + "    return out\n"};
}

}  // namespace retort
