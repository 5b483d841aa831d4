#include "models/residual_blocks.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include <utility>
#include <vector>

namespace retort {
namespace {

namespace nn = torch::nn;

class BasicBlock final : public ResidualBlock {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride) {
    conv1_ = register_module("conv1", drawn_by_fan_out(convolution(in, out, 3, stride)));
    bn1_ = register_module("bn1", nn::BatchNorm2d(out));
    conv2_ = register_module("conv2", drawn_by_fan_out(convolution(out, out, 3)));
    bn2_ = register_module("bn2", nn::BatchNorm2d(out));
    if (stride != 1 || in != out) {
      downsample_ = register_module(
          "downsample", nn::Sequential(drawn_by_fan_out(convolution(in, out, 1, stride)), nn::BatchNorm2d(out)));
    }
  }

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor inner = bn1_(conv1_(x)).relu_();
    at::Tensor out = bn2_(conv2_(inner));
    return out.add_(downsample_.is_empty() ? x : downsample_->forward(x));
  }

  ProgramSource program_source() const override {
    return {"BasicBlock", R"(
def forward(self, x):
    inner = self.bn1.forward(self.conv1.forward(x)).relu_()
    out = self.bn2.forward(self.conv2.forward(inner))
    return out.add_(self.downsample.forward(x) if hasattr(self, "downsample") else x)
)"};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Sequential downsample_{nullptr};
};

}  // namespace

std::shared_ptr<ResidualLayer> basic_layer(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
  std::vector<std::shared_ptr<ResidualBlock>> made = {std::make_shared<BasicBlock>(in, out, stride)};
  while (static_cast<int64_t>(made.size()) < blocks) made.push_back(std::make_shared<BasicBlock>(out, out, 1));
  return std::make_shared<ResidualLayer>(std::move(made));
}

}  // namespace retort
