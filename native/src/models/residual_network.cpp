#include "models/residual_network.h"

#include <ATen/ops/relu.h>

#include <utility>

namespace retort {

namespace nn = torch::nn;

ResidualNetwork::ResidualNetwork(const char* name, const std::vector<NormBefore>& norms, Parts parts)
    : ImageNetwork(
          {name, parts.stem->options.in_channels(), 1, 3, {{"conv1", "bn1", "layer1", "layer2", "layer3"}, norms}}),
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

NetworkOutput ResidualNetwork::compute(const at::Tensor& images) {
  const at::Tensor stem = norm_(parts_.stem(images)).relu_();
  const at::Tensor pre1 = parts_.layers[0]->forward(stem);
  const at::Tensor map1 = at::relu(pre1);
  const at::Tensor pre2 = parts_.layers[1]->forward(map1);
  const at::Tensor map2 = at::relu(pre2);
  const at::Tensor pre3 = parts_.layers[2]->forward(map2);
  const at::Tensor map3 = at::relu(pre3);
  const at::Tensor embedding = map3.mean({2, 3});
  return {parts_.classifier(embedding), {stem, map1, map2, map3, pre1, pre2, pre3, embedding}};
}

ProgramSource ResidualNetwork::program_source() const {
  return {
      name_, R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.bn1.forward(self.conv1.forward(images)).relu_()
    pre1 = self.layer1.forward(stem)
    map1 = torch.relu(pre1)
    pre2 = self.layer2.forward(map1)
    map2 = torch.relu(pre2)
    pre3 = self.layer3.forward(map2)
    map3 = torch.relu(pre3)
    embedding = map3.mean([2, 3])
    return self.)" +
                 parts_.classifier_name +
                 R"(.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3,
        "layer1.pre": pre1, "layer2.pre": pre2, "layer3.pre": pre3, "embedding": embedding}
)"};
}

}  // namespace retort
