#include "models/resnet_program.h"

#include <c10/util/StringUtil.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <string>
#include <variant>

#include "models/program_source.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr const char* kResNet = R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.bn1.forward(self.conv1.forward(images)).relu_()
    pre1 = self.layer1.forward(stem)
    map1 = torch.relu(pre1)
    pre2 = self.layer2.forward(map1)
    map2 = torch.relu(pre2)
    pre3 = self.layer3.forward(map2)
    map3 = torch.relu(pre3)
    embedding = map3.mean([2, 3])
    return self.fc.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3,
        "layer1.pre": pre1, "layer2.pre": pre2, "layer3.pre": pre3, "embedding": embedding}
)";

constexpr const char* kBlock = R"(
def forward(self, x):
    inner = self.bn1.forward(self.conv1.forward(x)).relu_()
    out = self.bn2.forward(self.conv2.forward(inner))
    return out.add_(self.downsample.forward(x) if hasattr(self, "downsample") else x)
)";

std::string forward_of(const nn::Conv2dImpl& conv) {
  const auto& options = conv.options;
  return c10::str(
      "def forward(self, x):\n    return torch.conv2d(x, self.weight, None, ", options.stride(), ", ",
      std::get<torch::ExpandingArray<2>>(options.padding()), ")\n");
}

std::string forward_of(const nn::BatchNorm2dImpl& norm) {
  const auto& options = norm.options;
  return c10::str(
      "def forward(self, x):\n"
      "    if self.training:\n"
      "        self.num_batches_tracked.add_(1)\n"
      "        assert x.numel() > x.size(1), 'Expected more than 1 value per channel when training'\n"
      "    return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var, self.training, ",
      *options.momentum(), ", ", options.eps(), ", True)\n");
}

/// Parts one after the other; getattr, for their names are numbers.
std::string forward_of_chain(const nn::Module& chain, const std::string& between) {
  std::string source = "def forward(self, x):\n";
  std::string input = "x";
  for (const auto& part : chain.named_children()) {
    source += "    x = getattr(self, '" + part.key() + "').forward(" + input + ")\n";
    input = "x" + between;
  }
  return source + "    return x\n";
}

ProgramSource source_of(const nn::Module& part) {
  if (const auto* conv = part.as<nn::Conv2d>()) return {"Conv2d", forward_of(*conv)};
  if (const auto* norm = part.as<nn::BatchNorm2d>()) return {"BatchNorm2d", forward_of(*norm)};
  if (part.as<nn::Linear>()) return linear_source();
  if (part.as<nn::Sequential>()) return {"Sequential", forward_of_chain(part, "")};
  if (part.named_children().contains("fc")) return {"ResNet", kResNet};
  if (part.named_children().contains("bn2")) return {"BasicBlock", kBlock};
  return {"Layer", forward_of_chain(part, ".relu_()")};
}

}  // namespace

torch::jit::Module resnet_program(const nn::Module& resnet) {
  return program_of(resnet, source_of);
}

}  // namespace retort
