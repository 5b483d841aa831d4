#include <ATen/ops/relu.h>
#include <c10/util/accumulate.h>
#include <retort/models/mlp.h>
#include <torch/nn/modules/linear.h>

#include <optional>
#include <string>

#include "models/image_network.h"
#include "models/torchscript/program_source.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

class Mlp final : public Network, public Scripted {
 public:
  explicit Mlp(const std::vector<int64_t>& sizes) : Network(layer_tap_names(sizes.size() - 2)), inputs_(sizes[0]) {
    for (size_t i = 0; i + 1 < sizes.size(); ++i) {
      layers_.push_back(register_module(std::to_string(2 * i), nn::Linear(sizes[i], sizes[i + 1])));
    }
  }

  /// getattr, for the layers' names are numbers.
  ProgramSource program_source() const override {
    std::string body = "    x = images.flatten(1)\n";
    std::string after, before;
    const size_t hidden = layers_.size() - 1;
    for (size_t i = 0; i < hidden; ++i) {
      const std::string layer = "layer" + std::to_string(i + 1);
      const std::string pre = "pre" + std::to_string(i + 1);
      body += c10::str(
          "    ", pre, " = getattr(self, '", 2 * i, "').forward(x)\n", "    x = torch.relu(", pre, ")\n    ", layer,
          " = x\n");
      after += c10::str("'", layer, "': ", layer, ", ");
      before += c10::str("'", layer, ".pre': ", pre, ", ");
    }
    return {
        "Mlp", c10::str(
                   "def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:\n", body,
                   "    return getattr(self, '", 2 * hidden, "').forward(x), {", after, before, "'embedding': x}\n")};
  }

 protected:
  void check_images(const at::Tensor& images) const override {
    RETORT_CHECK_AS(
        ShapeError, images.dim() >= 2 && c10::multiply_integers(images.sizes().slice(1)) == inputs_,
        "Mlp: images must be of shape [batch, ...] with ", inputs_, " elements each (got ", images.sizes(), ")");
  }

  NetworkOutput compute(const at::Tensor& images) override {
    const size_t hidden = layers_.size() - 1;
    std::vector<at::Tensor> features(2 * hidden + 1);
    at::Tensor x = images.flatten(1);
    for (size_t i = 0; i < hidden; ++i) {
      features[hidden + i] = layers_[i](x);
      x = features[i] = at::relu(features[hidden + i]);
    }
    features.back() = x;
    return {layers_.back()(x), std::move(features)};
  }

  torch::jit::Module to_torchscript() override { return program_of(*this); }

  std::optional<NetworkStructure> structure() const override {
    NetworkStructure known;
    for (size_t i = 0; i + 1 < layers_.size(); ++i) known.backbone.push_back(std::to_string(2 * i));
    return known;
  }

 private:
  int64_t inputs_;
  std::vector<nn::Linear> layers_;
};

}  // namespace

std::shared_ptr<Network> make_mlp(const MlpOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      options.sizes.size() >= 2, "make_mlp: sizes must be at least two, of the input and of the output (got ",
      options.sizes.size(), ")");
  for (int64_t size : options.sizes) RETORT_CHECK(size > 0, "make_mlp: sizes must be positive (got ", size, ")");
  return std::make_shared<Mlp>(options.sizes);
}

}  // namespace retort
