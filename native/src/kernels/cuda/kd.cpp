#include "kernels/cuda/kd.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <torch/library.h>

#include <array>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/tensors.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

/// What each sample counts in the loss: its share of the weights times T^2.
at::Tensor shares_of(const std::optional<at::Tensor>& weight, const at::Tensor& student, double temperature) {
  const int64_t batch = student.size(0);
  const double square = temperature * temperature;
  if (!weight.has_value()) {
    return at::full({batch}, square / static_cast<double>(batch), student.options().dtype(at::kDouble));
  }
  const at::Tensor weights = weight->to(at::kDouble);
  // The sum of what is at most 1 is finite.
  const at::Tensor largest = weights.max();
  const at::Tensor shares = at::where(largest > 0, weights / largest, 0);
  const at::Tensor sum = shares.sum();
  return at::where(sum > 0, shares / sum * square, 0).contiguous();
}

/// Of KdTarget.
constexpr int64_t kProbabilities = 1;

LossWithGradients kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    int64_t target, std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const at::ScalarType dtype = compute_dtype(student);
  const at::Tensor s = student.to(dtype).contiguous();
  const at::Tensor t = teacher.to(dtype).contiguous();
  const at::Tensor grad_s = gradients[0] ? at::empty_like(s) : at::Tensor();
  const at::Tensor grad_t = gradients[1] ? at::empty_like(t) : at::Tensor();
  const at::Tensor shares = shares_of(weight, student, temperature);
  const at::Tensor terms = at::empty_like(shares);
  AT_DISPATCH_FLOATING_TYPES(dtype, "kd_loss", [&] {
    kd_rows(
        device.stream(), KdRows<scalar_t>{
                             data<scalar_t>(s), data<scalar_t>(t), mutable_data<scalar_t>(grad_s),
                             mutable_data<scalar_t>(grad_t), data<double>(shares), mutable_data<double>(terms),
                             s.size(0), s.size(1), static_cast<scalar_t>(1.0 / temperature), target == kProbabilities});
  });
  return with_gradients(scalar_loss(terms, 1, dtype), {grad_s, grad_t});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::kernels::cuda
