#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <retort/models/vgg.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <array>
#include <string>

#include "models/image_network.h"
#include "models/layers.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr size_t kBlocks = 5;

struct Configuration {
  int64_t depth;
  /// Of each block.
  std::array<int64_t, kBlocks> convolutions;
};

constexpr Configuration kConfigurations[] = {
    {8, {1, 1, 1, 1, 1}}, {11, {1, 1, 2, 2, 2}}, {13, {2, 2, 2, 2, 2}}, {16, {2, 2, 3, 3, 3}}, {19, {2, 2, 4, 4, 4}}};

/// Convolutions with BatchNorm and, but for the last one, ReLU.
nn::Sequential block(int64_t in, int64_t out, int64_t convolutions) {
  nn::Sequential parts;
  for (int64_t i = 0; i < convolutions; ++i) {
    if (i > 0) parts->push_back(nn::ReLU(nn::ReLUOptions(true)));
    parts->push_back(drawn_by_fan_out(nn::Conv2d(nn::Conv2dOptions(i == 0 ? in : out, out, 3).padding(1))));
    parts->push_back(nn::BatchNorm2d(out));
  }
  return parts;
}

class Vgg final : public ImageNetwork {
 public:
  Vgg(const VggOptions& options, const Configuration& configuration)
      : ImageNetwork({"Vgg", options.input_channels, 8, 4, structure_of(configuration)}) {
    int64_t in = options.input_channels;
    for (size_t i = 0; i < kBlocks; ++i) {
      const int64_t out = options.filters[i];
      blocks_.push_back(register_module("block" + std::to_string(i), block(in, out, configuration.convolutions[i])));
      in = out;
    }
    classifier_ = register_module("classifier", nn::Linear(in, options.classes));
    nn::init::normal_(classifier_->weight, 0.0, 0.01);
    nn::init::zeros_(classifier_->bias);
  }

  ProgramSource program_source() const override {
    return {"Vgg", R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.block0.forward(images).relu_()
    pre1 = self.block1.forward(torch.max_pool2d(stem, [2, 2]))
    map1 = torch.relu(pre1)
    pre2 = self.block2.forward(torch.max_pool2d(map1, [2, 2]))
    map2 = torch.relu(pre2)
    pre3 = self.block3.forward(torch.max_pool2d(map2, [2, 2]))
    map3 = torch.relu(pre3)
    pre4 = self.block4.forward(torch.max_pool2d(map3, [2, 2]) if images.size(2) == 64 else map3)
    map4 = torch.relu(pre4)
    embedding = map4.mean([2, 3])
    return self.classifier.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3, "layer4": map4,
        "layer1.pre": pre1, "layer2.pre": pre2, "layer3.pre": pre3, "layer4.pre": pre4, "embedding": embedding}
)"};
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor stem = blocks_[0]->forward(images).relu_();
    const at::Tensor pre1 = blocks_[1]->forward(at::max_pool2d(stem, 2));
    const at::Tensor map1 = at::relu(pre1);
    const at::Tensor pre2 = blocks_[2]->forward(at::max_pool2d(map1, 2));
    const at::Tensor map2 = at::relu(pre2);
    const at::Tensor pre3 = blocks_[3]->forward(at::max_pool2d(map2, 2));
    const at::Tensor map3 = at::relu(pre3);
    const at::Tensor pre4 = blocks_[4]->forward(images.size(2) == 64 ? at::max_pool2d(map3, 2) : map3);
    const at::Tensor map4 = at::relu(pre4);
    const at::Tensor embedding = map4.mean({2, 3});
    return {classifier_(embedding), {stem, map1, map2, map3, map4, pre1, pre2, pre3, pre4, embedding}};
  }

 private:
  static NetworkStructure structure_of(const Configuration& configuration) {
    NetworkStructure structure;
    for (size_t i = 0; i < kBlocks; ++i) {
      const std::string number = std::to_string(i);
      structure.backbone.push_back("block" + number);
      // Convolution, BatchNorm, ReLU, convolution, …
      const int64_t last = 3 * configuration.convolutions[i] - 2;
      if (i > 0) structure.norms.push_back({"layer" + number + ".pre", c10::str("block", number, ".", last)});
    }
    return structure;
  }

  std::vector<nn::Sequential> blocks_;
  nn::Linear classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_vgg(const VggOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  const auto* configuration = std::find_if(
      std::begin(kConfigurations), std::end(kConfigurations),
      [&](const Configuration& known) { return known.depth == options.depth; });
  RETORT_CHECK(
      configuration != std::end(kConfigurations), "make_vgg: depth must be 8, 11, 13, 16 or 19 (got ", options.depth,
      ")");
  check_counts("make_vgg", options.classes, options.input_channels);
  const auto& filters = options.filters;
  RETORT_CHECK(filters.size() == kBlocks, "make_vgg: filters must be five numbers (got ", filters.size(), ")");
  for (int64_t count : filters) RETORT_CHECK(count > 0, "make_vgg: filters must be positive (got ", count, ")");
  return std::make_shared<Vgg>(options, *configuration);
}

}  // namespace retort
