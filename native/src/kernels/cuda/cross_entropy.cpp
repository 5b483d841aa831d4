#include "kernels/cuda/cross_entropy.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>
#include <torch/library.h>

#include <array>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/tensors.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

/// What each sample counts in the loss, its label's class apart: nothing without a label, and nothing at all if no
/// labelled sample counts.
at::Tensor shares_of(
    const at::Tensor& labels, const std::optional<at::Tensor>& weight, const at::Tensor& class_weights) {
  at::Tensor counts = labels.ge(0).to(at::kDouble);
  if (weight) counts = counts * weight->to(at::kDouble);
  const at::Tensor norm =
      (class_weights.defined() ? counts * class_weights.index_select(0, labels.clamp_min(0)) : counts).sum();
  return at::where(norm > 0, counts / norm, 0).contiguous();
}

LossWithGradients cross_entropy_forward(
    const at::Tensor& logits, const at::Tensor& labels, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& class_weight, double label_smoothing, std::array<bool, 1> gradients) {
  const OnDevice device(logits);
  const at::ScalarType dtype = compute_dtype(logits);
  const at::Tensor rows = logits.to(dtype).contiguous();
  const at::Tensor label = labels.contiguous();
  const at::Tensor class_weights = class_weight ? class_weight->to(at::kDouble).contiguous() : at::Tensor();
  const at::Tensor gradient = gradients[0] ? at::empty_like(rows) : at::Tensor();
  const at::Tensor shares = shares_of(label, weight, class_weights);
  const at::Tensor parts = at::empty_like(shares);
  AT_DISPATCH_FLOATING_TYPES(dtype, "cross_entropy", [&] {
    cross_entropy_rows(
        device.stream(),
        CrossEntropyRows<scalar_t>{
            data<scalar_t>(rows), mutable_data<scalar_t>(gradient), data<int64_t>(label), data<double>(class_weights),
            data<double>(shares), mutable_data<double>(parts), rows.size(0), rows.size(1), label_smoothing});
  });
  return with_gradients(scalar_loss(parts, 1, dtype), {gradient});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_cross_entropy_forward", &cross_entropy_forward);
}

}  // namespace retort::kernels::cuda
