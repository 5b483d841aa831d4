#include "models/residual_blocks.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include <utility>
#include <vector>

namespace retort {
namespace {

namespace nn = torch::nn;

/// Undefined where a block keeps the map's shape.
nn::Sequential shortcut(int64_t in, int64_t out, int64_t stride) {
  if (stride == 1 && in == out) return nullptr;
  return nn::Sequential(drawn_by_fan_out(conv_layer(in, out, 1, stride)), nn::BatchNorm2d(out));
}

class BasicBlock final : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 1;

  BasicBlock(int64_t in, int64_t out, int64_t stride) {
    conv1_ = register_module("conv1", drawn_by_fan_out(conv_layer(in, out, 3, stride)));
    bn1_ = register_module("bn1", nn::BatchNorm2d(out));
    conv2_ = register_module("conv2", drawn_by_fan_out(conv_layer(out, out, 3)));
    bn2_ = register_module("bn2", nn::BatchNorm2d(out));
    downsample_ = shortcut(in, out, stride);
    if (downsample_) register_module("downsample", downsample_);
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

class Bottleneck final : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = kBottleneckExpansion;

  Bottleneck(int64_t in, int64_t inner, int64_t stride) {
    const int64_t out = inner * kExpansion;
    conv1_ = register_module("conv1", drawn_by_fan_out(conv_layer(in, inner, 1)));
    bn1_ = register_module("bn1", nn::BatchNorm2d(inner));
    conv2_ = register_module("conv2", drawn_by_fan_out(conv_layer(inner, inner, 3, stride)));
    bn2_ = register_module("bn2", nn::BatchNorm2d(inner));
    conv3_ = register_module("conv3", drawn_by_fan_out(conv_layer(inner, out, 1)));
    bn3_ = register_module("bn3", nn::BatchNorm2d(out));
    downsample_ = shortcut(in, out, stride);
    if (downsample_) register_module("downsample", downsample_);
  }

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor inner = bn2_(conv2_(bn1_(conv1_(x)).relu_())).relu_();
    at::Tensor out = bn3_(conv3_(inner));
    return out.add_(downsample_.is_empty() ? x : downsample_->forward(x));
  }

  ProgramSource program_source() const override {
    return {"Bottleneck", R"(
def forward(self, x):
    inner = self.bn1.forward(self.conv1.forward(x)).relu_()
    inner = self.bn2.forward(self.conv2.forward(inner)).relu_()
    out = self.bn3.forward(self.conv3.forward(inner))
    return out.add_(self.downsample.forward(x) if hasattr(self, "downsample") else x)
)"};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Conv2d conv3_{nullptr};
  nn::BatchNorm2d bn3_{nullptr};
  nn::Sequential downsample_{nullptr};
};

template <typename Block>
std::shared_ptr<ResidualLayer> layer_of(int64_t in, int64_t channels, int64_t stride, int64_t blocks) {
  std::vector<std::shared_ptr<ResidualBlock>> made = {std::make_shared<Block>(in, channels, stride)};
  while (static_cast<int64_t>(made.size()) < blocks) {
    made.push_back(std::make_shared<Block>(channels * Block::kExpansion, channels, 1));
  }
  return std::make_shared<ResidualLayer>(std::move(made));
}

}  // namespace

std::shared_ptr<ResidualLayer> basic_layer(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
  return layer_of<BasicBlock>(in, out, stride, blocks);
}

std::shared_ptr<ResidualLayer> bottleneck_layer(int64_t in, int64_t inner, int64_t stride, int64_t blocks) {
  return layer_of<Bottleneck>(in, inner, stride, blocks);
}

}  // namespace retort
