#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "reference/kd.h"

namespace retort::reference {

/// The specification of retort::dkd_loss, class by class: the rows are cut at the target class. Autograd gives its
/// gradients.
inline at::Tensor dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const at::Tensor& weight = {}, bool standardise = false) {
  const auto dtype = student.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto softened = [&](const at::Tensor& logits) {
    return (standardise ? standardised(logits.to(dtype)) : logits.to(dtype)) / temperature;
  };
  const at::Tensor s = softened(student);
  const at::Tensor t = softened(teacher);
  const at::Tensor w = weight.defined() ? weight.to(dtype) : at::ones({student.size(0)}, s.options());
  const auto divergence = [](const at::Tensor& log_p, const at::Tensor& log_q) {
    const at::Tensor p = log_p.exp();
    return at::where(p > 0, p * (log_p - log_q), at::zeros_like(p)).sum();
  };
  at::Tensor sum = (student * 0).sum().to(dtype);
  at::Tensor total = at::zeros({}, s.options());
  for (int64_t b = 0; b < student.size(0); ++b) {
    const auto label = labels[b].item<int64_t>();
    if (label < 0 || w[b].item<double>() == 0) continue;
    const auto others = [&](const at::Tensor& row) {
      return at::cat({row.narrow(0, 0, label), row.narrow(0, label + 1, row.size(0) - label - 1)});
    };
    // Logits of the target and of everything else together.
    const auto two = [&](const at::Tensor& row) {
      return at::log_softmax(at::stack({row[label], at::logsumexp(others(row), 0)}), 0);
    };
    const at::Tensor of_target = divergence(two(t[b]), two(s[b]));
    const at::Tensor of_others = divergence(at::log_softmax(others(t[b]), 0), at::log_softmax(others(s[b]), 0));
    sum = sum + w[b] * (alpha * of_target + beta * of_others);
    total = total + w[b];
  }
  return total.item<double>() == 0 ? sum : sum * (temperature * temperature) / total;
}

}  // namespace retort::reference
