#include <torch/library.h>

#include <array>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/logits_batch.h"

namespace retort::kernels::cuda {
namespace {

// Of KdTarget.
constexpr int64_t kProbabilities = 1;
constexpr int64_t kStandardisedLogits = 2;

LossWithGradients kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    int64_t target, std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const LogitsBatch batch = {student, teacher, weight, {}, temperature, target == kStandardisedLogits};
  return sum_over_rows(
      batch, gradients, [&](const auto& rows) { kd_rows(device.stream(), rows, target == kProbabilities); });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::kernels::cuda
