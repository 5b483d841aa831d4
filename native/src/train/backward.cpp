#include "train/backward.h"

#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "tensor/check.h"
#include "tensor/precision.h"

namespace retort {

at::Tensor Backward::add(const BoundLoss& loss, const CriterionInput& input, int64_t factor) {
  has_loss_ = true;
  if (loss.of_logits) {
    auto [value, gradients] = loss.of_logits->differentiate(input);
    at::Tensor gradient = std::move(times(std::move(gradients), given_.scalar(factor, at::kDouble))[0]);
    begin_at(input.logits_student, rounded_to(input.logits_student.scalar_type(), std::move(gradient)));
    return value;
  }
  at::Tensor value = loss.criterion->forward(input);
  RETORT_CHECK(
      value.defined() && value.numel() == 1, "TrainingStep: ", loss.name, " must be a scalar (got ",
      value.defined() ? c10::str(value.sizes()) : "an undefined tensor", ")");
  if (value.dim() > 0) value = value.reshape({});
  begin_at(value, given_.scalar(factor, value.scalar_type()));
  return value;
}

void Backward::add_nothing(const CriterionInput& input) {
  has_loss_ = true;
  begin_at(input.logits_student, at::zeros_like(input.logits_student));
  for (const at::Tensor& tap : input.student) begin_at(tap, at::zeros_like(tap));
}

void Backward::begin_at(const at::Tensor& tensor, at::Tensor gradient) {
  if (!tensor.requires_grad()) return;
  roots_.push_back(tensor);
  gradients_.push_back(std::move(gradient));
}

Gradients Backward::run(const std::vector<at::Tensor>& parameters) const {
  // A batch without labels, and nothing but the cross-entropy.
  if (!has_loss_) return Gradients(parameters.size());
  const Gradients gradients =
      roots_.empty() ? Gradients()
                     : torch::autograd::grad(
                           roots_, parameters, gradients_, /*retain_graph=*/std::nullopt, /*create_graph=*/false,
                           /*allow_unused=*/true);
  RETORT_CHECK(
      std::any_of(gradients.begin(), gradients.end(), [](const at::Tensor& one) { return one.defined(); }),
      "TrainingStep: loss must depend on a parameter that is trained (got a constant)");
  return gradients;
}

}  // namespace retort
