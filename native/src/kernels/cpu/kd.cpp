#include <torch/library.h>

#include <array>

#include "kernels/cpu/kd.simd.h"
#include "kernels/cpu/logits_rows.h"

namespace retort::kernels {
namespace {

// Of KdTarget.
constexpr int64_t kProbabilities = 1;
constexpr int64_t kStandardisedLogits = 2;

LossWithGradients kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    int64_t target, std::array<bool, 2> gradients) {
  const LogitsBatch batch = {student, teacher, weight, {}, temperature, target == kStandardisedLogits};
  return sum_over_rows(batch, gradients, [&](const auto& row, int64_t /*b*/) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(row.student)>>;
    return kd_kernels<T>().divergence(row, target == kProbabilities);
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::kernels
