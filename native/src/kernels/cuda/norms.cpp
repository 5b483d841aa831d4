#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <torch/library.h>

#include <vector>

#include "kernels/cuda/dispatch.h"

namespace retort::kernels::cuda {
namespace {

void write_norms(at::TensorList tensors, const at::Tensor& norms) {
  std::vector<at::Tensor> defined;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined()) defined.push_back(tensor);
  }
  if (defined.size() < tensors.size()) norms.zero_();
  if (defined.empty()) return;
  const at::Tensor found = at::stack(at::_foreach_norm(defined, 2, at::kDouble));
  if (defined.size() == tensors.size()) {
    norms.copy_(found);
    return;
  }
  int64_t next = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined()) norms.select(0, static_cast<int64_t>(i)).copy_(found.select(0, next++));
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_write_norms", &write_norms);
}

}  // namespace retort::kernels::cuda
