#include <retort/models/resnet.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include <memory>
#include <string>

#include "models/residual_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// The deepest network of the paper; without a bound a wrong number would take all memory.
constexpr int64_t kMaxDepth = 1202;

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

std::shared_ptr<ResidualLayer> layer(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
  std::vector<std::shared_ptr<ResidualBlock>> made = {std::make_shared<BasicBlock>(in, out, stride)};
  while (static_cast<int64_t>(made.size()) < blocks) made.push_back(std::make_shared<BasicBlock>(out, out, 1));
  return std::make_shared<ResidualLayer>(std::move(made));
}

}  // namespace

std::shared_ptr<Network> make_resnet(const ResNetOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      options.depth >= 8 && options.depth <= kMaxDepth && (options.depth - 2) % 6 == 0,
      "make_resnet: depth must be 6n + 2 between 8 and ", kMaxDepth, " (got ", options.depth, ")");
  check_counts("make_resnet", options.classes, options.input_channels);
  const auto& filters = options.filters;
  RETORT_CHECK(filters.size() == 4, "make_resnet: filters must be four numbers (got ", filters.size(), ")");
  for (int64_t count : filters) RETORT_CHECK(count > 0, "make_resnet: filters must be positive (got ", count, ")");
  const int64_t blocks = (options.depth - 2) / 6;
  std::vector<NormBefore> norms;
  for (const char* name : {"layer1", "layer2", "layer3"}) {
    norms.push_back({c10::str(name, ".pre"), c10::str(name, ".", blocks - 1, ".bn2")});
  }
  // In the order of the forward pass, for they draw from one generator.
  const nn::Conv2d stem = drawn_by_fan_out(convolution(options.input_channels, filters[0], 3));
  std::vector<std::shared_ptr<ResidualLayer>> layers;
  for (size_t i = 0; i < 3; ++i) layers.push_back(layer(filters[i], filters[i + 1], i == 0 ? 1 : 2, blocks));
  return std::make_shared<ResidualNetwork>(
      "ResNet", norms, ResidualNetwork::Parts{stem, std::move(layers), "fc", nn::Linear(filters[3], options.classes)});
}

}  // namespace retort
