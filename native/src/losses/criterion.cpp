#include <ATen/core/grad_mode.h>
#include <c10/util/Type.h>
#include <retort/losses/criterion.h>

#include <algorithm>
#include <typeinfo>

#include "tensor/remember.h"

namespace retort {

void Criterion::check_batch(const CriterionBatch& /*batch*/) const {}

bool Criterion::applies(const CriterionBatch& /*batch*/) const {
  return true;
}

void Criterion::draw(const CriterionBatch& /*batch*/) {}

void Criterion::snapshot() {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> now = buffers();
  saved_.resize(now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    saved_[i].first = now[i];
    remember(saved_[i].second, now[i]);
  }
}

void Criterion::restore() {
  const at::NoGradGuard no_grad;
  for (auto& [buffer, copy] : saved_) buffer.copy_(copy);
}

void Criterion::after_step(const CriterionInput& /*input*/) {}

std::optional<double> Criterion::divisor(const CriterionBatch& batch) const {
  return static_cast<double>(batch.samples);
}

std::vector<at::Tensor> Criterion::buffers_of_own_batch() const {
  std::vector<at::Tensor> own = buffers();
  own.erase(
      std::remove_if(own.begin(), own.end(), [](const at::Tensor& buffer) { return !buffer.is_floating_point(); }),
      own.end());
  return own;
}

std::optional<double> Criterion::temperature() const {
  return std::nullopt;
}

std::string Criterion::obstacle_to_graph() const {
  return {};
}

CriterionOptions::~CriterionOptions() = default;

std::string CriterionOptions::description() const {
  return c10::demangle(typeid(*this).name());
}

}  // namespace retort
