#pragma once

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include "expect.h"

namespace retort::test {

/// Copies of a module's parameters and buffers.
inline NamedTensors state_of(const torch::nn::Module& module) {
  NamedTensors state = copy_of(module.named_parameters());
  for (const auto& entry : module.named_buffers()) state.insert(entry.key(), entry.value().clone());
  return state;
}

/// A parameter or buffer itself.
inline at::Tensor tensor_of(const torch::nn::Module& module, const std::string& name) {
  const NamedTensors parameters = module.named_parameters();
  if (const at::Tensor* parameter = parameters.find(name)) return *parameter;
  return module.named_buffers()[name];
}

/// Writes into a parameter or buffer, whose shape must be that of the values.
inline void set_tensor(const torch::nn::Module& module, const std::string& name, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const at::Tensor tensor = tensor_of(module, name);
  ASSERT_EQ(tensor.sizes(), values.sizes()) << name;
  tensor.copy_(values);
}

}  // namespace retort::test
