#include "models/residual_network.h"

#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <c10/util/StringUtil.h>

#include <utility>

namespace retort {
namespace {

NetworkStructure structure_of(size_t layers, const std::vector<NormBefore>& norms) {
  NetworkStructure structure = {{"conv1", "bn1"}, norms};
  for (size_t i = 1; i <= layers; ++i) structure.backbone.push_back(c10::str("layer", i));
  return structure;
}

}  // namespace

ResidualNetwork::ResidualNetwork(const char* name, const std::vector<NormBefore>& norms, Parts parts)
    : ImageNetwork(
          {name, parts.stem->options.in_channels(), 1, parts.layers.size(), structure_of(parts.layers.size(), norms)}),
      name_(name),
      parts_(std::move(parts)),
      norm_(parts_.stem->options.out_channels()) {
  register_module("conv1", parts_.stem);
  register_module("bn1", norm_);
  for (size_t i = 0; i < parts_.layers.size(); ++i) {
    register_module("layer" + std::to_string(i + 1), parts_.layers[i]);
  }
  register_module(parts_.classifier_name, parts_.classifier);
}

NormBefore ResidualNetwork::norm_of(size_t layer, int64_t blocks, const char* norm) {
  const std::string name = c10::str("layer", layer + 1, ".");
  return {name + "pre", c10::str(name, blocks - 1, ".", norm)};
}

NetworkOutput ResidualNetwork::compute(const at::Tensor& images) {
  const size_t layers = parts_.layers.size();
  std::vector<at::Tensor> features(2 * layers + 2);
  at::Tensor x = norm_(parts_.stem(images)).relu_();
  if (parts_.pools_stem) x = at::max_pool2d(x, 3, 2, 1);
  features[0] = x;
  for (size_t i = 1; i <= layers; ++i) {
    features[layers + i] = parts_.layers[i - 1]->forward(x);
    x = features[i] = at::relu(features[layers + i]);
  }
  features.back() = x.mean({2, 3});
  return {parts_.classifier(features.back()), std::move(features)};
}

ProgramSource ResidualNetwork::program_source() const {
  std::string body = "    map0 = self.bn1.forward(self.conv1.forward(images)).relu_()\n";
  if (parts_.pools_stem) body += "    map0 = torch.max_pool2d(map0, [3, 3], [2, 2], [1, 1])\n";
  std::string after = "'stem': map0, ";
  std::string before;
  const size_t layers = parts_.layers.size();
  for (size_t i = 1; i <= layers; ++i) {
    body += c10::str(
        "    pre", i, " = self.layer", i, ".forward(map", i - 1, ")\n    map", i, " = torch.relu(pre", i, ")\n");
    after += c10::str("'layer", i, "': map", i, ", ");
    before += c10::str("'layer", i, ".pre': pre", i, ", ");
  }
  return {
      name_, c10::str(
                 "def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:\n", body, "    embedding = map",
                 layers, ".mean([2, 3])\n    return self.", parts_.classifier_name, ".forward(embedding), {", after,
                 before, "'embedding': embedding}\n")};
}

}  // namespace retort
