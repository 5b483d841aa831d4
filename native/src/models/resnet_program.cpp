#include "models/resnet_program.h"

#include <c10/util/StringUtil.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>
#include <variant>

namespace retort {
namespace {

namespace nn = torch::nn;

/// A TorchScript class: its name and its forward, which computes what the C++ class's does, operator by operator.
struct Source {
  std::string name;
  std::string forward;
};

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

constexpr const char* kLinear = R"(
def forward(self, x):
    return torch.linear(x, self.weight, self.bias)
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

Source source_of(const nn::Module& part) {
  if (const auto* conv = part.as<nn::Conv2d>()) return {"Conv2d", forward_of(*conv)};
  if (const auto* norm = part.as<nn::BatchNorm2d>()) return {"BatchNorm2d", forward_of(*norm)};
  if (part.as<nn::Linear>()) return {"Linear", kLinear};
  if (part.as<nn::Sequential>()) return {"Sequential", forward_of_chain(part, "")};
  if (part.named_children().contains("fc")) return {"ResNet", kResNet};
  if (part.named_children().contains("bn2")) return {"BasicBlock", kBlock};
  return {"Layer", forward_of_chain(part, ".relu_()")};
}

torch::jit::Module program_of(const nn::Module& part, const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  const Source source = source_of(part);
  torch::jit::Module program(source.name, unit, /*shouldMangle=*/true);
  program.register_attribute("training", c10::BoolType::get(), part.is_training());
  for (const auto& entry : part.named_parameters(/*recurse=*/false)) {
    program.register_parameter(entry.key(), entry.value(), /*is_buffer=*/false);
  }
  for (const auto& entry : part.named_buffers(/*recurse=*/false)) program.register_buffer(entry.key(), entry.value());
  for (const auto& child : part.named_children()) {
    program.register_module(child.key(), program_of(*child.value(), unit));
  }
  program.define(source.forward);
  return program;
}

}  // namespace

torch::jit::Module resnet_program(const nn::Module& resnet) {
  return program_of(resnet, std::make_shared<torch::jit::CompilationUnit>());
}

}  // namespace retort
