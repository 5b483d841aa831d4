#pragma once

#include <torch/nn/module.h>

#include <vector>

namespace retort {

/// Converts a module's floating point parameters and buffers; torch::nn::Module::to would convert counters, too.
inline void convert_floating_point(torch::nn::Module& module, at::ScalarType dtype) {
  for (const std::vector<at::Tensor>& tensors : {module.parameters(), module.buffers()}) {
    for (const at::Tensor& tensor : tensors) {
      if (tensor.is_floating_point()) tensor.set_data(tensor.detach().to(dtype));
    }
  }
}

}  // namespace retort
