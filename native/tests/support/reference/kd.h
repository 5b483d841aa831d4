#pragma once

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>
#include <retort/losses/kd.h>

namespace retort::reference {

/// The specification of retort::kd_loss, as its formula says:
///
///   loss = T^2 * sum_b w_b KL(teacher_b || softmax(student_b / T)) / sum_b w_b,  0 log 0 = 0
///
/// where the teacher's probabilities are given, or softmax(teacher_b / T). Autograd gives its gradients.
inline at::Tensor kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const at::Tensor& weight = {},
    KdTarget target = KdTarget::kLogits) {
  const auto dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor log_q = at::log_softmax(student.to(dtype) / temperature, 1);
  const at::Tensor given = teacher.to(dtype);
  const at::Tensor p = target == KdTarget::kLogits ? at::softmax(given / temperature, 1) : given;
  const at::Tensor log_p = target == KdTarget::kLogits ? at::log_softmax(given / temperature, 1)
                                                       : at::where(given > 0, given, at::ones_like(given)).log();
  const at::Tensor terms = at::where(p > 0, p * (log_p - log_q), at::zeros_like(p)).sum(1);
  const at::Tensor w = weight.defined() ? weight.to(dtype) : at::ones_like(terms);
  const at::Tensor counted = at::where(w > 0, w * terms, at::zeros_like(terms));
  const at::Tensor total = w.sum();
  return counted.sum() * at::where(total > 0, temperature * temperature / total, at::zeros_like(total));
}

}  // namespace retort::reference
