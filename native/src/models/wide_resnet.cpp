#include <ATen/ops/relu.h>
#include <retort/models/wide_resnet.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>
#include <vector>

#include "models/image_network.h"
#include "models/layers.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

// Without bounds a wrong number would take all memory.
constexpr int64_t kMaxWideDepth = 1204;
constexpr int64_t kMaxWidth = 64;

class Block final : public nn::Module, public Scripted {
 public:
  Block(int64_t in, int64_t out, int64_t stride) {
    bn1_ = register_module("bn1", nn::BatchNorm2d(in));
    conv1_ = register_module("conv1", drawn_by_fan_out(conv_layer(in, out, 3, stride)));
    bn2_ = register_module("bn2", nn::BatchNorm2d(out));
    conv2_ = register_module("conv2", drawn_by_fan_out(conv_layer(out, out, 3)));
    if (in != out) shortcut_ = register_module("convShortcut", drawn_by_fan_out(conv_layer(in, out, 1, stride)));
  }

  at::Tensor normalise(const at::Tensor& x) { return bn1_(x); }

  /// @param active ReLU of normalise(x)
  at::Tensor forward(const at::Tensor& x, const at::Tensor& active) {
    const at::Tensor inner = bn2_(conv1_(active)).relu_();
    at::Tensor out = conv2_(inner);
    return out.add_(shortcut_.is_empty() ? x : shortcut_(active));
  }

  ProgramSource program_source() const override {
    return {"BasicBlock", R"(
def forward(self, x, active):
    inner = self.bn2.forward(self.conv1.forward(active)).relu_()
    out = self.conv2.forward(inner)
    return out.add_(self.convShortcut.forward(active) if hasattr(self, "convShortcut") else x)
)"};
  }

 private:
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::Conv2d shortcut_{nullptr};
};

struct WideLayerOutput {
  /// What the layer takes, after its first BatchNorm.
  at::Tensor normalised;
  at::Tensor map;
};

/// Blocks of one image size.
class WideLayer final : public nn::Module, public Scripted {
 public:
  WideLayer(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
    const auto list = register_module("layer", nn::ModuleList());
    for (int64_t i = 0; i < blocks; ++i) {
      blocks_.push_back(std::make_shared<Block>(i == 0 ? in : out, out, i == 0 ? stride : 1));
      list->push_back(blocks_.back());
    }
  }

  WideLayerOutput forward(const at::Tensor& x) {
    const at::Tensor normalised = blocks_[0]->normalise(x);
    at::Tensor map = blocks_[0]->forward(x, at::relu(normalised));
    for (size_t i = 1; i < blocks_.size(); ++i) map = blocks_[i]->forward(map, blocks_[i]->normalise(map).relu_());
    return {normalised, map};
  }

  ProgramSource program_source() const override {
    std::string source =
        "def forward(self, x):\n"
        "    first = getattr(self.layer, '0')\n"
        "    normalised = first.bn1.forward(x)\n"
        "    map = first.forward(x, torch.relu(normalised))\n";
    for (size_t i = 1; i < blocks_.size(); ++i) {
      const std::string block = "getattr(self.layer, '" + std::to_string(i) + "')";
      source += "    map = " + block + ".forward(map, " + block + ".bn1.forward(map).relu_())\n";
    }
    return {"Layer", source + "    return normalised, map\n"};
  }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
};

class WideResNet final : public ImageNetwork {
 public:
  explicit WideResNet(const WideResNetOptions& options)
      : ImageNetwork(
            {"WideResNet",
             options.input_channels,
             1,
             3,
             {{"conv1", "block1", "block2", "block3"},
              {{"layer1.pre", "block2.layer.0.bn1"}, {"layer2.pre", "block3.layer.0.bn1"}, {"layer3.pre", "bn1"}}}}) {
    const int64_t blocks = (options.depth - 4) / 6;
    const int64_t width = options.width;
    conv1_ = register_module("conv1", drawn_by_fan_out(conv_layer(options.input_channels, 16, 3)));
    block1_ = register_module("block1", std::make_shared<WideLayer>(16, 16 * width, 1, blocks));
    block2_ = register_module("block2", std::make_shared<WideLayer>(16 * width, 32 * width, 2, blocks));
    block3_ = register_module("block3", std::make_shared<WideLayer>(32 * width, 64 * width, 2, blocks));
    bn1_ = register_module("bn1", nn::BatchNorm2d(64 * width));
    fc_ = register_module("fc", nn::Linear(64 * width, options.classes));
    nn::init::zeros_(fc_->bias);
  }

  ProgramSource program_source() const override {
    return {"WideResNet", R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.conv1.forward(images)
    _, map1 = self.block1.forward(stem)
    pre1, map2 = self.block2.forward(map1)
    pre2, map3 = self.block3.forward(map2)
    pre3 = self.bn1.forward(map3)
    embedding = torch.relu(pre3).mean([2, 3])
    return self.fc.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3,
        "layer1.pre": pre1, "layer2.pre": pre2, "layer3.pre": pre3, "embedding": embedding}
)"};
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor stem = conv1_(images);
    const at::Tensor map1 = block1_->forward(stem).map;
    const auto [pre1, map2] = block2_->forward(map1);
    const auto [pre2, map3] = block3_->forward(map2);
    const at::Tensor pre3 = bn1_(map3);
    const at::Tensor embedding = at::relu(pre3).mean({2, 3});
    return {fc_(embedding), {stem, map1, map2, map3, pre1, pre2, pre3, embedding}};
  }

 private:
  nn::Conv2d conv1_{nullptr};
  std::shared_ptr<WideLayer> block1_;
  std::shared_ptr<WideLayer> block2_;
  std::shared_ptr<WideLayer> block3_;
  nn::BatchNorm2d bn1_{nullptr};
  nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_wide_resnet(const WideResNetOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      options.depth >= 10 && options.depth <= kMaxWideDepth && (options.depth - 4) % 6 == 0,
      "make_wide_resnet: depth must be 6n + 4 between 10 and ", kMaxWideDepth, " (got ", options.depth, ")");
  RETORT_CHECK(
      options.width >= 1 && options.width <= kMaxWidth, "make_wide_resnet: width must be between 1 and ", kMaxWidth,
      " (got ", options.width, ")");
  check_counts("make_wide_resnet", options.classes, options.input_channels);
  return std::make_shared<WideResNet>(options);
}

}  // namespace retort
