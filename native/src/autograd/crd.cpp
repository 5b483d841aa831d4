#include <torch/library.h>

#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients crd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature, std::array<bool, 2> /*gradients*/) {
  static const auto forward = find_operator<decltype(crd_forward)>("retort::_crd_forward");
  return differentiable("crd_loss", {student, teacher}, [&](const Wanted& wanted) {
    return forward.call(
        student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature,
        {wanted[0], wanted[1]});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_crd_forward", &crd_forward);
}

}  // namespace retort::autograd
