#pragma once

#include <torch/nn/module.h>

namespace retort {

/// The first floating point parameter of a module and what is below it, in the order of Module::parameters, which walks
/// through all of them; undefined if there is none.
inline at::Tensor first_floating_point(const torch::nn::Module& module) {
  for (const at::Tensor& parameter : module.parameters(/*recurse=*/false)) {
    if (parameter.is_floating_point()) return parameter;
  }
  for (const auto& child : module.children()) {
    if (at::Tensor found = first_floating_point(*child); found.defined()) return found;
  }
  return {};
}

}  // namespace retort
