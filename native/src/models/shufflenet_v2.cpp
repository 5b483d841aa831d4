#include <ATen/ops/cat.h>
#include <ATen/ops/channel_shuffle.h>
#include <ATen/ops/relu.h>
#include <retort/models/shufflenet_v2.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>

#include "models/image_network.h"
#include "models/layers.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr int64_t kStemChannels = 24;

/// Halves the image in two branches.
class DownBlock final : public nn::Module, public Scripted {
 public:
  DownBlock(int64_t in, int64_t out) {
    const int64_t half = out / 2;
    conv1_ = register_module("conv1", conv_layer(in, in, 3, 2, in));
    bn1_ = register_module("bn1", nn::BatchNorm2d(in));
    conv2_ = register_module("conv2", conv_layer(in, half, 1));
    bn2_ = register_module("bn2", nn::BatchNorm2d(half));
    conv3_ = register_module("conv3", conv_layer(in, half, 1));
    bn3_ = register_module("bn3", nn::BatchNorm2d(half));
    conv4_ = register_module("conv4", conv_layer(half, half, 3, 2, half));
    bn4_ = register_module("bn4", nn::BatchNorm2d(half));
    conv5_ = register_module("conv5", conv_layer(half, half, 1));
    bn5_ = register_module("bn5", nn::BatchNorm2d(half));
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor left = bn2_(conv2_(bn1_(conv1_(x)))).relu_();
    const at::Tensor inner = bn4_(conv4_(bn3_(conv3_(x)).relu_()));
    const at::Tensor right = bn5_(conv5_(inner)).relu_();
    return at::channel_shuffle(at::cat({left, right}, 1), 2);
  }

  ProgramSource program_source() const override {
    return {"DownBlock", R"(
def forward(self, x):
    left = self.bn2.forward(self.conv2.forward(self.bn1.forward(self.conv1.forward(x)))).relu_()
    inner = self.bn4.forward(self.conv4.forward(self.bn3.forward(self.conv3.forward(x)).relu_()))
    right = self.bn5.forward(self.conv5.forward(inner)).relu_()
    return torch.channel_shuffle(torch.cat([left, right], 1), 2)
)"};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Conv2d conv3_{nullptr};
  nn::BatchNorm2d bn3_{nullptr};
  nn::Conv2d conv4_{nullptr};
  nn::BatchNorm2d bn4_{nullptr};
  nn::Conv2d conv5_{nullptr};
  nn::BatchNorm2d bn5_{nullptr};
};

/// Works on one half of the channels.
class BasicBlock final : public nn::Module, public Scripted {
 public:
  explicit BasicBlock(int64_t half) {
    conv1_ = register_module("conv1", conv_layer(half, half, 1));
    bn1_ = register_module("bn1", nn::BatchNorm2d(half));
    conv2_ = register_module("conv2", conv_layer(half, half, 3, 1, half));
    bn2_ = register_module("bn2", nn::BatchNorm2d(half));
    conv3_ = register_module("conv3", conv_layer(half, half, 1));
    bn3_ = register_module("bn3", nn::BatchNorm2d(half));
  }

  /// That half before its last ReLU.
  at::Tensor forward(const at::Tensor& half) {
    const at::Tensor inner = bn2_(conv2_(bn1_(conv1_(half)).relu_()));
    return bn3_(conv3_(inner));
  }

  ProgramSource program_source() const override {
    return {"BasicBlock", R"(
def forward(self, half):
    inner = self.bn2.forward(self.conv2.forward(self.bn1.forward(self.conv1.forward(half)).relu_()))
    return self.bn3.forward(self.conv3.forward(inner))
)"};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Conv2d conv3_{nullptr};
  nn::BatchNorm2d bn3_{nullptr};
};

struct LayerOutput {
  at::Tensor map;
  /// The last block's halves, before ReLU and shuffle.
  at::Tensor pre;
};

/// Blocks of one image size.
class Layer final : public nn::Module, public Scripted {
 public:
  Layer(int64_t in, int64_t out, int64_t blocks) : down_(std::make_shared<DownBlock>(in, out)) {
    register_module("0", down_);
    for (int64_t i = 1; i <= blocks; ++i) {
      blocks_.push_back(register_module(std::to_string(i), std::make_shared<BasicBlock>(out / 2)));
    }
  }

  LayerOutput forward(const at::Tensor& x) {
    LayerOutput out{down_->forward(x), {}};
    for (const auto& block : blocks_) {
      const std::vector<at::Tensor> halves = out.map.chunk(2, 1);
      const at::Tensor right = block->forward(halves[1]);
      if (block == blocks_.back()) out.pre = at::cat({halves[0], right}, 1);
      out.map = at::channel_shuffle(at::cat({halves[0], at::relu(right)}, 1), 2);
    }
    return out;
  }

  ProgramSource program_source() const override {
    std::string source = "def forward(self, x):\n    map = getattr(self, '0').forward(x)\n";
    for (size_t i = 1; i <= blocks_.size(); ++i) {
      source += "    left, half = map.chunk(2, 1)\n    right = getattr(self, '" + std::to_string(i) +
                "').forward(half)\n    map = torch.channel_shuffle(torch.cat([left, torch.relu(right)], 1), 2)\n";
    }
    return {"Layer", source + "    return map, torch.cat([left, right], 1)\n"};
  }

 private:
  std::shared_ptr<DownBlock> down_;
  std::vector<std::shared_ptr<BasicBlock>> blocks_;
};

class ShuffleNetV2 final : public ImageNetwork {
 public:
  explicit ShuffleNetV2(const ShuffleNetV2Options& options)
      : ImageNetwork(
            {"ShuffleNetV2", options.input_channels, 1, 3, {{"conv1", "bn1", "layer1", "layer2", "layer3"}, {}}}) {
    const auto& filters = options.filters;
    const auto& blocks = options.blocks;
    conv1_ = register_module("conv1", conv_layer(options.input_channels, kStemChannels, 1));
    bn1_ = register_module("bn1", nn::BatchNorm2d(kStemChannels));
    layer1_ = register_module("layer1", std::make_shared<Layer>(kStemChannels, filters[0], blocks[0]));
    layer2_ = register_module("layer2", std::make_shared<Layer>(filters[0], filters[1], blocks[1]));
    layer3_ = register_module("layer3", std::make_shared<Layer>(filters[1], filters[2], blocks[2]));
    conv2_ = register_module("conv2", conv_layer(filters[2], filters[3], 1));
    bn2_ = register_module("bn2", nn::BatchNorm2d(filters[3]));
    linear_ = register_module("linear", nn::Linear(filters[3], options.classes));
  }

  ProgramSource program_source() const override {
    return {"ShuffleNetV2", R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.bn1.forward(self.conv1.forward(images)).relu_()
    map1, pre1 = self.layer1.forward(stem)
    map2, pre2 = self.layer2.forward(map1)
    map3, pre3 = self.layer3.forward(map2)
    embedding = self.bn2.forward(self.conv2.forward(map3)).relu_().mean([2, 3])
    return self.linear.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3,
        "layer1.pre": pre1, "layer2.pre": pre2, "layer3.pre": pre3, "embedding": embedding}
)"};
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor stem = bn1_(conv1_(images)).relu_();
    const auto [map1, pre1] = layer1_->forward(stem);
    const auto [map2, pre2] = layer2_->forward(map1);
    const auto [map3, pre3] = layer3_->forward(map2);
    const at::Tensor embedding = bn2_(conv2_(map3)).relu_().mean({2, 3});
    return {linear_(embedding), {stem, map1, map2, map3, pre1, pre2, pre3, embedding}};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  std::shared_ptr<Layer> layer1_;
  std::shared_ptr<Layer> layer2_;
  std::shared_ptr<Layer> layer3_;
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Linear linear_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_shufflenet_v2(const ShuffleNetV2Options& options) {
  static CallSite site;
  const RunningCall running(site);
  check_counts("make_shufflenet_v2", options.classes, options.input_channels);
  const auto& filters = options.filters;
  const auto& blocks = options.blocks;
  RETORT_CHECK(filters.size() == 4, "make_shufflenet_v2: filters must be four numbers (got ", filters.size(), ")");
  RETORT_CHECK(blocks.size() == 3, "make_shufflenet_v2: blocks must be three numbers (got ", blocks.size(), ")");
  for (int64_t count : blocks) {
    RETORT_CHECK(count > 0, "make_shufflenet_v2: blocks must be positive (got ", count, ")");
  }
  for (size_t i = 0; i < filters.size(); ++i) {
    RETORT_CHECK(
        filters[i] > 0 && (i == 3 || filters[i] % 2 == 0),
        "make_shufflenet_v2: filters must be positive, those of the layers even (got ", filters[i], ")");
  }
  return std::make_shared<ShuffleNetV2>(options);
}

}  // namespace retort
