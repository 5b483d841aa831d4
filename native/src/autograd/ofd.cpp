#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients ofd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, double scale,
    std::array<bool, 2> /*gradients*/) {
  static const auto forward = find_operator<decltype(ofd_forward)>("retort::_ofd_forward");
  return differentiable("ofd_loss", {student, teacher}, [&](const Wanted& wanted) {
    return forward.call(student, teacher, margin, scale, {wanted[0], wanted[1]});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_ofd_forward", &ofd_forward);
}

}  // namespace retort::autograd
