#include <ATen/core/grad_mode.h>
#include <retort/losses/criterion.h>

namespace retort {

void Criterion::snapshot() {
  const at::NoGradGuard no_grad;
  saved_.clear();
  for (const at::Tensor& buffer : buffers()) saved_.emplace_back(buffer, buffer.clone());
}

void Criterion::restore() {
  const at::NoGradGuard no_grad;
  for (auto& [buffer, copy] : saved_) buffer.copy_(copy);
}

void Criterion::after_step(const CriterionInput& /*input*/) {}

CriterionOptions::~CriterionOptions() = default;

}  // namespace retort
