#include <torch/library.h>

#include <array>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/logits_batch.h"

namespace retort::kernels::cuda {
namespace {

LossWithGradients dkd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const std::optional<at::Tensor>& weight, bool standardise, std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const LogitsBatch batch = {student, teacher, weight, labels.contiguous(), temperature, standardise};
  return sum_over_rows(batch, gradients, [&](const auto& rows) {
    using T = std::remove_const_t<decltype(rows.inverse_temperature)>;
    dkd_rows(device.stream(), rows, data<int64_t>(batch.labels), static_cast<T>(alpha), static_cast<T>(beta));
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_dkd_forward", &dkd_forward);
}

}  // namespace retort::kernels::cuda
