#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <tuple>

#include "autograd/scalar_loss.h"

namespace retort::autograd {
namespace {

using Result = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

Result kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, bool /*student_gradient*/,
    bool /*teacher_gradient*/) {
  static const auto kernel =
      c10::Dispatcher::singleton().findSchemaOrThrow("retort::_kd_forward", "").typed<decltype(kd_forward)>();
  const bool student_gradient = wants_gradient(student);
  const bool teacher_gradient = wants_gradient(teacher);
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  const auto [loss, grad_student, grad_teacher] =
      kernel.call(student, teacher, temperature, student_gradient, teacher_gradient);
  if (!student_gradient && !teacher_gradient) return {loss, {}, {}};
  return {connect("kd_loss", loss, {student, teacher}, {grad_student, grad_teacher}), {}, {}};
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::autograd
