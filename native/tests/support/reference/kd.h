#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <retort/losses/kd.h>

namespace retort::reference {

/// Rows of logits as kd_loss and dkd_loss standardise them.
inline at::Tensor standardised(const at::Tensor& logits) {
  return (logits - logits.mean(1, /*keepdim=*/true)) / (logits.std(1, /*unbiased=*/true, /*keepdim=*/true) + 1e-7);
}

/// The specification of retort::kd_loss, as its formula says:
///
///   loss = T^2 * sum_b w_b KL(teacher_b || softmax(student_b / T)) / sum_b w_b,  0 log 0 = 0
///
/// where the teacher's probabilities are given, or softmax(teacher_b / T), of standardised logits if so. Autograd gives
/// its gradients.
inline at::Tensor kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const at::Tensor& weight = {},
    KdTarget target = KdTarget::kLogits) {
  const auto dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const bool standardises = target == KdTarget::kStandardisedLogits;
  const at::Tensor own = standardises ? standardised(student.to(dtype)) : student.to(dtype);
  const at::Tensor log_q = at::log_softmax(own / temperature, 1);
  const at::Tensor given = standardises ? standardised(teacher.to(dtype)) : teacher.to(dtype);
  const bool softens = target != KdTarget::kProbabilities;
  const at::Tensor p = softens ? at::softmax(given / temperature, 1) : given;
  const at::Tensor log_p =
      softens ? at::log_softmax(given / temperature, 1) : at::where(given > 0, given, at::ones_like(given)).log();
  const at::Tensor terms = at::where(p > 0, p * (log_p - log_q), at::zeros_like(p)).sum(1);
  const at::Tensor w = weight.defined() ? weight.to(dtype) : at::ones_like(terms);
  const at::Tensor counted = at::where(w > 0, w * terms, at::zeros_like(terms));
  const at::Tensor total = w.sum();
  return counted.sum() * at::where(total > 0, temperature * temperature / total, at::zeros_like(total));
}

}  // namespace retort::reference
