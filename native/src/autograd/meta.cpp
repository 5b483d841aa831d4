// The shapes of what the losses return, for meta and fake tensors: torch.compile and torch.export ask for them.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <utility>
#include <vector>

#include "tensor/forward_operator.h"
#include "tensor/precision.h"

namespace retort::autograd {
namespace {

/// Of a loss that is computed in `dtype`.
at::Tensor gradient_of(const at::Tensor& input, at::ScalarType dtype) {
  const bool is_map = input.dim() == 4;
  // Maps are kept in their memory format, everything else is contiguous.
  const at::MemoryFormat format = is_map ? input.suggest_memory_format() : at::MemoryFormat::Contiguous;
  return at::empty_like(input, input.options().dtype(is_map ? map_gradient_dtype(input) : dtype), format);
}

void forward(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const ForwardCall call(op, *stack);
  const at::Tensor first = call.tensors(0).at(0);
  const at::ScalarType dtype = compute_dtype(first);
  at::Tensor loss = at::empty({}, first.options().dtype(dtype));
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < call.inputs(); ++i) {
    if (!call.asks_for(i)) continue;
    for (const at::Tensor& tensor : call.tensors(i)) gradients.push_back(gradient_of(tensor, dtype));
  }
  answer(op, *stack, std::move(loss), std::move(gradients));
}

at::Tensor ofd_negatives(const at::Tensor& teacher) {
  return at::empty_symint({2, teacher.sym_size(1)}, teacher.options().dtype(at::kDouble));
}

at::Tensor crd_contrast(
    const at::Tensor& indices, int64_t /*rows*/, int64_t negatives, std::optional<at::Generator> /*generator*/) {
  return at::empty_symint({indices.sym_size(0), negatives + 1}, indices.options());
}

at::Tensor crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& /*classes*/, int64_t negatives, bool /*relaxed*/,
    std::optional<at::Generator> /*generator*/) {
  return at::empty_symint({indices.sym_size(0), negatives + 1}, indices.options());
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Meta, m) {
  implement_forward_operators<&forward>(m);
  m.impl("_ofd_negatives", &ofd_negatives);
  m.impl("crd_contrast", &crd_contrast);
  m.impl("crd_class_contrast", &crd_class_contrast);
}

}  // namespace retort::autograd
