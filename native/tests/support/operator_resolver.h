#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <string>

namespace retort::test {

/// Lets a script in a test say `retort.kd_loss`; Python's TorchScript says `torch.ops.retort.kd_loss`.
struct OperatorResolver : torch::jit::Resolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(
      const std::string& name, torch::jit::GraphFunction& function, const torch::jit::SourceRange& range) override {
    if (name == "retort") return std::make_shared<torch::jit::BuiltinModule>("retort");
    return torch::jit::nativeResolver()->resolveValue(name, function, range);
  }
};

}  // namespace retort::test
