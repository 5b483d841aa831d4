#include <ATen/ops/relu.h>
#include <retort/models/resnet.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>

#include "models/resnet_program.h"
#include "util/check.h"
#include "util/exit_gate.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// The deepest network of the paper; without a bound a wrong number would take all memory.
constexpr int64_t kMaxDepth = 1202;

nn::Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  nn::Conv2d conv(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
  return conv;
}

class BasicBlock final : public nn::Module {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride) {
    conv1_ = register_module("conv1", convolution(in, out, 3, stride));
    bn1_ = register_module("bn1", nn::BatchNorm2d(out));
    conv2_ = register_module("conv2", convolution(out, out, 3, 1));
    bn2_ = register_module("bn2", nn::BatchNorm2d(out));
    if (stride != 1 || in != out) {
      downsample_ =
          register_module("downsample", nn::Sequential(convolution(in, out, 1, stride), nn::BatchNorm2d(out)));
    }
  }

  /// The block's output before its last ReLU.
  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor inner = bn1_(conv1_(x)).relu_();
    at::Tensor out = bn2_(conv2_(inner));
    return out.add_(downsample_.is_empty() ? x : downsample_->forward(x));
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Sequential downsample_{nullptr};
};

/// Blocks of one image size.
class Layer final : public nn::Module {
 public:
  Layer(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
    for (int64_t i = 0; i < blocks; ++i) {
      blocks_.push_back(register_module(
          std::to_string(i), std::make_shared<BasicBlock>(i == 0 ? in : out, out, i == 0 ? stride : 1)));
    }
  }

  /// The last block's output before its ReLU.
  at::Tensor forward(const at::Tensor& x) {
    at::Tensor out = x;
    for (size_t i = 0; i < blocks_.size(); ++i) out = blocks_[i]->forward(i == 0 ? out : out.relu_());
    return out;
  }

 private:
  std::vector<std::shared_ptr<BasicBlock>> blocks_;
};

class ResNet final : public Network {
 public:
  explicit ResNet(const ResNetOptions& options)
      : Network({"stem", "layer1", "layer2", "layer3", "layer1.pre", "layer2.pre", "layer3.pre", "embedding"}),
        input_channels_(options.input_channels) {
    const auto& filters = options.filters;
    const int64_t blocks = (options.depth - 2) / 6;
    conv1_ = register_module("conv1", convolution(options.input_channels, filters[0], 3, 1));
    bn1_ = register_module("bn1", nn::BatchNorm2d(filters[0]));
    layer1_ = register_module("layer1", std::make_shared<Layer>(filters[0], filters[1], 1, blocks));
    layer2_ = register_module("layer2", std::make_shared<Layer>(filters[1], filters[2], 2, blocks));
    layer3_ = register_module("layer3", std::make_shared<Layer>(filters[2], filters[3], 2, blocks));
    fc_ = register_module("fc", nn::Linear(filters[3], options.classes));
  }

 protected:
  void check_images(const at::Tensor& images) const override {
    RETORT_CHECK_AS(
        ShapeError, images.dim() == 4 && images.size(1) == input_channels_, "ResNet: images must be of shape [batch, ",
        input_channels_, ", height, width] (got ", images.sizes(), ")");
  }

  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor stem = bn1_(conv1_(images)).relu_();
    const at::Tensor pre1 = layer1_->forward(stem);
    const at::Tensor map1 = at::relu(pre1);
    const at::Tensor pre2 = layer2_->forward(map1);
    const at::Tensor map2 = at::relu(pre2);
    const at::Tensor pre3 = layer3_->forward(map2);
    const at::Tensor map3 = at::relu(pre3);
    const at::Tensor embedding = map3.mean({2, 3});
    return {fc_(embedding), {stem, map1, map2, map3, pre1, pre2, pre3, embedding}};
  }

  torch::jit::Module to_torchscript() override { return resnet_program(*this); }

 private:
  int64_t input_channels_;
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  std::shared_ptr<Layer> layer1_;
  std::shared_ptr<Layer> layer2_;
  std::shared_ptr<Layer> layer3_;
  nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_resnet(const ResNetOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      options.depth >= 8 && options.depth <= kMaxDepth && (options.depth - 2) % 6 == 0,
      "make_resnet: depth must be 6n + 2 between 8 and ", kMaxDepth, " (got ", options.depth, ")");
  RETORT_CHECK(options.classes > 0, "make_resnet: classes must be positive (got ", options.classes, ")");
  RETORT_CHECK(
      options.input_channels > 0, "make_resnet: input channels must be positive (got ", options.input_channels, ")");
  RETORT_CHECK(
      options.filters.size() == 4, "make_resnet: filters must be four numbers (got ", options.filters.size(), ")");
  for (int64_t count : options.filters) {
    RETORT_CHECK(count > 0, "make_resnet: filters must be positive (got ", count, ")");
  }
  return std::make_shared<ResNet>(options);
}

}  // namespace retort
