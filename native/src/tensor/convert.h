#pragma once

#include <torch/nn/module.h>

#include <utility>
#include <vector>

namespace retort {

/// Gives a module's parameters and buffers other contents, all or none.
/// @param replacement called with each of them without its gradient
template <typename Replacement>
void replace_contents(torch::nn::Module& module, Replacement replacement) {
  std::vector<std::pair<at::Tensor, at::Tensor>> replacements;
  for (const std::vector<at::Tensor>& tensors : {module.parameters(), module.buffers()}) {
    for (const at::Tensor& tensor : tensors) replacements.emplace_back(tensor, replacement(tensor.detach()));
  }
  for (const auto& [tensor, contents] : replacements) tensor.set_data(contents);
}

/// Converts a module's floating point parameters and buffers; torch::nn::Module::to would convert counters, too.
inline void convert_floating_point(torch::nn::Module& module, at::ScalarType dtype) {
  replace_contents(
      module, [dtype](const at::Tensor& tensor) { return tensor.is_floating_point() ? tensor.to(dtype) : tensor; });
}

}  // namespace retort
