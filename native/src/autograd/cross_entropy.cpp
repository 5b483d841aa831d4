#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients cross_entropy_forward(
    const at::Tensor& logits, const at::Tensor& labels, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& class_weight, double label_smoothing, std::array<bool, 1> /*gradients*/) {
  static const auto forward = find_operator<decltype(cross_entropy_forward)>("retort::_cross_entropy_forward");
  return differentiable("cross_entropy", logits, [&](const Wanted& wanted) {
    return forward.call(logits, labels, weight, class_weight, label_smoothing, {wanted[0]});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_cross_entropy_forward", &cross_entropy_forward);
}

}  // namespace retort::autograd
