#include "models/torchscript/program_source.h"

#include <c10/util/StringUtil.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>

#include <iomanip>
#include <memory>
#include <sstream>
#include <variant>

#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

std::string forward_of(const nn::Conv2dImpl& conv) {
  const auto& options = conv.options;
  return c10::str(
      "def forward(self, x):\n    return torch.conv2d(x, self.weight, ", options.bias() ? "self.bias" : "None", ", ",
      options.stride(), ", ", std::get<torch::ExpandingArray<2>>(options.padding()), ", [1, 1], ", options.groups(),
      ")\n");
}

std::string forward_of(const nn::DropoutImpl& dropout) {
  std::ostringstream source;
  // With a point and all digits, for TorchScript takes no integer for a float.
  source << "def forward(self, x):\n    return torch.dropout(x, " << std::showpoint << std::setprecision(17)
         << dropout.options.p() << ", self.training)\n";
  return source.str();
}

/// @param function such as relu, which has a form in place
std::string forward_of(const char* function, bool inplace) {
  return inplace ? c10::str("def forward(self, x):\n    return torch.", function, "_(x)\n")
                 : c10::str("def forward(self, x):\n    return torch.", function, "(x)\n");
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

/// getattr, for the names of a chain's parts are numbers.
std::string forward_of(const nn::SequentialImpl& chain) {
  std::string source = "def forward(self, x):\n";
  for (const auto& part : chain.named_children()) source += "    x = getattr(self, '" + part.key() + "').forward(x)\n";
  return source + "    return x\n";
}

ProgramSource source_of(const nn::Module& part) {
  if (const auto* scripted = dynamic_cast<const Scripted*>(&part)) return scripted->program_source();
  if (const auto* conv = part.as<nn::Conv2d>()) return {"Conv2d", forward_of(*conv)};
  if (const auto* norm = part.as<nn::BatchNorm2d>()) return {"BatchNorm2d", forward_of(*norm)};
  if (const auto* chain = part.as<nn::Sequential>()) return {"Sequential", forward_of(*chain)};
  if (part.as<nn::ModuleList>()) return {"ModuleList", ""};
  if (part.as<nn::Linear>()) {
    return {"Linear", "def forward(self, x):\n    return torch.linear(x, self.weight, self.bias)\n"};
  }
  if (const auto* relu = part.as<nn::ReLU>()) return {"ReLU", forward_of("relu", relu->options.inplace())};
  if (const auto* relu = part.as<nn::ReLU6>()) return {"ReLU6", forward_of("relu6", relu->options.inplace())};
  if (const auto* dropout = part.as<nn::Dropout>()) return {"Dropout", forward_of(*dropout)};
  fail("Network: parts must be known to the export (got ", part.name(), ")");
}

torch::jit::Module program_of(const nn::Module& part, const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  const ProgramSource source = source_of(part);
  torch::jit::Module program(source.name, unit, /*shouldMangle=*/true);
  program.register_attribute("training", c10::BoolType::get(), part.is_training());
  for (const auto& entry : part.named_parameters(/*recurse=*/false)) {
    program.register_parameter(entry.key(), entry.value(), /*is_buffer=*/false);
  }
  for (const auto& entry : part.named_buffers(/*recurse=*/false)) program.register_buffer(entry.key(), entry.value());
  for (const auto& child : part.named_children()) {
    program.register_module(child.key(), program_of(*child.value(), unit));
  }
  if (!source.forward.empty()) program.define(source.forward);
  return program;
}

}  // namespace

torch::jit::Module program_of(const nn::Module& module) {
  return program_of(module, std::make_shared<torch::jit::CompilationUnit>());
}

}  // namespace retort
