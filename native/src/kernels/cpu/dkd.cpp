#include <torch/library.h>

#include <array>

#include "kernels/cpu/dkd.simd.h"
#include "kernels/cpu/logits_rows.h"

namespace retort::kernels {
namespace {

LossWithGradients dkd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const std::optional<at::Tensor>& weight, bool standardise, std::array<bool, 2> gradients) {
  const LogitsBatch batch = {student, teacher, weight, labels.contiguous(), temperature, standardise};
  const int64_t* label = batch.labels.const_data_ptr<int64_t>();
  return sum_over_rows(batch, gradients, [&](const auto& row, int64_t b) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(row.student)>>;
    return dkd_kernels<T>().loss(row, label[b], static_cast<T>(alpha), static_cast<T>(beta));
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_dkd_forward", &dkd_forward);
}

}  // namespace retort::kernels
