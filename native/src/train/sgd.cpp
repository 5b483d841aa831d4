#include "train/sgd.h"

#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "util/check.h"

namespace retort {

Sgd::Sgd(SgdOptions options, std::vector<at::Tensor> parameters)
    : options_(std::move(options)), parameters_(std::move(parameters)) {
  const auto& o = options_;
  RETORT_CHECK(
      o.learning_rate > 0 && std::isfinite(o.learning_rate), "Sgd: learning rate must be positive and finite (got ",
      o.learning_rate, ")");
  RETORT_CHECK(
      o.momentum >= 0 && o.momentum < 1, "Sgd: momentum must be at least 0 and below 1 (got ", o.momentum, ")");
  RETORT_CHECK(
      o.weight_decay >= 0 && std::isfinite(o.weight_decay), "Sgd: weight decay must be at least 0 and finite (got ",
      o.weight_decay, ")");
  RETORT_CHECK(
      o.milestone_factor > 0 && std::isfinite(o.milestone_factor),
      "Sgd: milestone factor must be positive and finite (got ", o.milestone_factor, ")");
  RETORT_CHECK(
      std::is_sorted(o.milestones.begin(), o.milestones.end()) && (o.milestones.empty() || o.milestones[0] > 0),
      "Sgd: milestones must be positive and ascending (got ", at::IntArrayRef(o.milestones), ")");
  if (o.momentum > 0) {
    for (const at::Tensor& parameter : parameters_) momentum_.push_back(at::zeros_like(parameter.detach()));
  }
}

double Sgd::learning_rate(int64_t step) const {
  const auto passed = std::upper_bound(options_.milestones.begin(), options_.milestones.end(), step);
  const auto count = passed - options_.milestones.begin();
  return options_.learning_rate * std::pow(options_.milestone_factor, static_cast<double>(count));
}

void Sgd::update(const std::vector<at::Tensor>& gradients, int64_t step) {
  // The fused kernel wants lists of one dtype and device, and walks through memory without looking at strides.
  struct Group {
    std::vector<at::Tensor> parameters, gradients, momentum;
  };
  std::map<std::pair<at::ScalarType, c10::DeviceType>, Group> groups;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i];
    at::Tensor gradient = gradients[i];
    if (!gradient.defined()) continue;
    if (gradient.strides() != parameter.strides()) gradient = at::empty_like(parameter.detach()).copy_(gradient);
    Group& group = groups[{parameter.scalar_type(), parameter.device().type()}];
    group.parameters.push_back(parameter);
    group.gradients.push_back(gradient);
    if (!momentum_.empty()) group.momentum.push_back(momentum_[i]);
  }
  for (auto& [key, group] : groups) {
    at::_fused_sgd_(
        group.parameters, group.gradients, group.momentum, options_.weight_decay, options_.momentum,
        learning_rate(step), /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false);
  }
}

}  // namespace retort
