#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/channel_shuffle.h>
#include <retort/models/shufflenet_v1.h>
#include <torch/nn/modules/batchnorm.h>

#include <memory>
#include <utility>

#include "models/residual_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr int64_t kGroups = 3;
constexpr int64_t kStem = 24;

class Bottleneck final : public ResidualBlock {
 public:
  /// @param out channels of the branch; halving the image, a block returns its input's channels, too
  /// @param groups of the first convolution
  Bottleneck(int64_t in, int64_t out, bool halves, int64_t groups) : halves_(halves), groups_(groups) {
    const int64_t inner = out / 4;
    conv1_ = register_module("conv1", conv_layer(in, inner, 1, 1, groups));
    bn1_ = register_module("bn1", nn::BatchNorm2d(inner));
    conv2_ = register_module("conv2", conv_layer(inner, inner, 3, halves ? 2 : 1, inner));
    bn2_ = register_module("bn2", nn::BatchNorm2d(inner));
    conv3_ = register_module("conv3", conv_layer(inner, out, 1, 1, kGroups));
    bn3_ = register_module("bn3", nn::BatchNorm2d(out));
  }

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor mixed = at::channel_shuffle(bn1_(conv1_(x)).relu_(), groups_);
    const at::Tensor inner = bn2_(conv2_(mixed)).relu_();
    at::Tensor out = bn3_(conv3_(inner));
    return halves_ ? at::cat({out, at::avg_pool2d(x, 3, 2, 1)}, 1) : out.add_(x);
  }

  ProgramSource program_source() const override {
    return {
        "Bottleneck",
        c10::str(
            "def forward(self, x):\n"
            "    mixed = torch.channel_shuffle(self.bn1.forward(self.conv1.forward(x)).relu_(), ",
            groups_,
            ")\n"
            "    inner = self.bn2.forward(self.conv2.forward(mixed)).relu_()\n"
            "    out = self.bn3.forward(self.conv3.forward(inner))\n"
            "    return ",
            halves_ ? "torch.cat([out, torch.avg_pool2d(x, [3, 3], [2, 2], [1, 1])], 1)" : "out.add_(x)", "\n")};
  }

 private:
  bool halves_;
  int64_t groups_;
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  nn::Conv2d conv2_{nullptr};
  nn::BatchNorm2d bn2_{nullptr};
  nn::Conv2d conv3_{nullptr};
  nn::BatchNorm2d bn3_{nullptr};
};

/// The paper does not group the stem's channels, which are few.
std::shared_ptr<ResidualLayer> layer(int64_t in, int64_t out, int64_t blocks, bool is_first) {
  std::vector<std::shared_ptr<ResidualBlock>> made = {
      std::make_shared<Bottleneck>(in, out - in, /*halves=*/true, is_first ? 1 : kGroups)};
  while (static_cast<int64_t>(made.size()) < blocks) {
    made.push_back(std::make_shared<Bottleneck>(out, out, /*halves=*/false, kGroups));
  }
  return std::make_shared<ResidualLayer>(std::move(made));
}

}  // namespace

std::shared_ptr<Network> make_shufflenet_v1(const ShuffleNetV1Options& options) {
  static CallSite site;
  const RunningCall running(site);
  check_counts("make_shufflenet_v1", options.classes, options.input_channels);
  const auto& filters = options.filters;
  const auto& blocks = options.blocks;
  RETORT_CHECK(filters.size() == 3, "make_shufflenet_v1: filters must be three numbers (got ", filters.size(), ")");
  RETORT_CHECK(blocks.size() == 3, "make_shufflenet_v1: blocks must be three numbers (got ", blocks.size(), ")");
  for (int64_t count : blocks) {
    RETORT_CHECK(count > 0, "make_shufflenet_v1: blocks must be positive (got ", count, ")");
  }
  const nn::Conv2d stem = conv_layer(options.input_channels, kStem, 1);
  std::vector<std::shared_ptr<ResidualLayer>> layers;
  int64_t in = kStem;
  for (size_t i = 0; i < 3; ++i) {
    // A quarter of them is grouped, with and without the input's.
    RETORT_CHECK(
        filters[i] > in && filters[i] % (4 * kGroups) == 0, "make_shufflenet_v1: filters must be multiples of ",
        4 * kGroups, " that grow from ", kStem, " on (got ", filters[i], " after ", in, ")");
    layers.push_back(layer(in, filters[i], blocks[i], i == 0));
    in = filters[i];
  }
  return std::make_shared<ResidualNetwork>(
      "ShuffleNetV1", std::vector<NormBefore>(),
      ResidualNetwork::Parts{stem, /*pools_stem=*/false, std::move(layers), "linear", nn::Linear(in, options.classes)});
}

}  // namespace retort
