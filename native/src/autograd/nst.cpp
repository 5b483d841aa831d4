#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients nst_forward(
    const at::Tensor& student, const at::Tensor& teacher, c10::string_view kernel, int64_t degree, double offset,
    double variance, bool teacher_term, double dead_channel_norm, std::array<bool, 2> /*gradients*/) {
  static const auto forward = find_operator<decltype(nst_forward)>("retort::_nst_forward");
  return differentiable("nst_loss", {student, teacher}, [&](const Wanted& wanted) {
    return forward.call(
        student, teacher, kernel, degree, offset, variance, teacher_term, dead_channel_norm, {wanted[0], wanted[1]});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_nst_forward", &nst_forward);
}

}  // namespace retort::autograd
