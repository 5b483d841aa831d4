#pragma once

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

namespace retort::reference {

/// The specification of retort::kd_loss, as its formula says:
///
///   loss = T^2 / B * sum_b KL(softmax(teacher_b / T) || softmax(student_b / T)),  0 log 0 = 0
///
/// Autograd gives its gradients.
inline at::Tensor kd_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  const auto dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor log_q = at::log_softmax(student.to(dtype) / temperature, 1);
  const at::Tensor log_p = at::log_softmax(teacher.to(dtype) / temperature, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor terms = at::where(p > 0, p * (log_p - log_q), at::zeros_like(p));
  return terms.sum() * (temperature * temperature / static_cast<double>(student.size(0)));
}

}  // namespace retort::reference
