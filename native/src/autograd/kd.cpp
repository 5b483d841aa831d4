#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    c10::string_view target, std::array<bool, 2> /*gradients*/) {
  static const auto forward = find_operator<decltype(kd_forward)>("retort::_kd_forward");
  return differentiable("kd_loss", {student, teacher}, [&](const Wanted& wanted) {
    return forward.call(student, teacher, temperature, weight, target, {wanted[0], wanted[1]});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::autograd
