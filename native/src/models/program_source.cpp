#include "models/program_source.h"

#include <memory>

namespace retort {
namespace {

using SourceOf = ProgramSource (*)(const torch::nn::Module&);

torch::jit::Module program_of(
    const torch::nn::Module& part, SourceOf source_of, const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  const ProgramSource source = source_of(part);
  torch::jit::Module program(source.name, unit, /*shouldMangle=*/true);
  program.register_attribute("training", c10::BoolType::get(), part.is_training());
  for (const auto& entry : part.named_parameters(/*recurse=*/false)) {
    program.register_parameter(entry.key(), entry.value(), /*is_buffer=*/false);
  }
  for (const auto& entry : part.named_buffers(/*recurse=*/false)) program.register_buffer(entry.key(), entry.value());
  for (const auto& child : part.named_children()) {
    program.register_module(child.key(), program_of(*child.value(), source_of, unit));
  }
  program.define(source.forward);
  return program;
}

}  // namespace

ProgramSource linear_source() {
  return {"Linear", "def forward(self, x):\n    return torch.linear(x, self.weight, self.bias)\n"};
}

torch::jit::Module program_of(const torch::nn::Module& module, SourceOf source_of) {
  return program_of(module, source_of, std::make_shared<torch::jit::CompilationUnit>());
}

}  // namespace retort
