#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "util/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients fsp_forward(
    const at::Tensor& student_first, const at::Tensor& student_second, const at::Tensor& teacher_first,
    const at::Tensor& teacher_second, std::array<bool, 4> /*gradients*/) {
  static const auto forward = find_operator<decltype(fsp_forward)>("retort::_fsp_forward");
  return differentiable<4>(
      "fsp_loss", {student_first, student_second, teacher_first, teacher_second}, [&](std::array<bool, 4> wanted) {
        return forward.call(student_first, student_second, teacher_first, teacher_second, wanted);
      });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::autograd
