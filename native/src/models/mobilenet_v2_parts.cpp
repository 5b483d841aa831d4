#include "models/mobilenet_v2_parts.h"

#include <torch/nn/init.h>

#include <utility>

#include "tensor/check.h"

namespace retort {

namespace nn = torch::nn;

void check_mobilenet_v2_width(const char* function, double width) {
  constexpr double kMin = 1.0 / 16;
  constexpr double kMax = 16;
  RETORT_CHECK(
      width >= kMin && width <= kMax, function, ": width must be between ", kMin, " and ", kMax, " (got ", width, ")");
}

nn::Linear mobilenet_v2_classifier(int64_t in, int64_t classes) {
  nn::Linear linear(in, classes);
  nn::init::normal_(linear->weight, 0.0, 0.01);
  nn::init::zeros_(linear->bias);
  return linear;
}

InvertedResidual::InvertedResidual(nn::Sequential conv, bool adds)
    : conv_(register_module("conv", std::move(conv))), adds_(adds) {}

at::Tensor InvertedResidual::forward(const at::Tensor& x) {
  at::Tensor out = conv_->forward(x);
  return adds_ ? out.add_(x) : out;
}

ProgramSource InvertedResidual::program_source() const {
  return {
      "InvertedResidual", adds_ ? "def forward(self, x):\n    return self.conv.forward(x).add_(x)\n"
                                : "def forward(self, x):\n    return self.conv.forward(x)\n"};
}

}  // namespace retort
