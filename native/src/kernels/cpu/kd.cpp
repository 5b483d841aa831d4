#include "kernels/cpu/kd.simd.h"

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "kernels/cpu/per_sample.h"
#include "runtime/isa.h"
#include "runtime/threads.h"
#include "tensor/operators.h"
#include "tensor/precision.h"

namespace retort::kernels {
namespace {

/// What each sample counts in the loss: its share of the weights times T^2.
std::vector<double> shares_of(const std::optional<at::Tensor>& weight, int64_t batch, double temperature) {
  const double square = temperature * temperature;
  if (!weight.has_value()) return std::vector<double>(static_cast<size_t>(batch), square / static_cast<double>(batch));
  const at::Tensor weights = weight->to(at::kDouble).contiguous();
  const double* data = weights.const_data_ptr<double>();
  std::vector<double> shares(data, data + batch);
  // The sum of what is at most 1 is finite.
  const double largest = *std::max_element(shares.begin(), shares.end());
  for (double& share : shares) share = largest > 0 ? share / largest : 0;
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share = sum > 0 ? share / sum * square : 0;
  return shares;
}

/// Of KdTarget.
constexpr int64_t kProbabilities = 1;

LossWithGradients kd_forward(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    int64_t target, std::array<bool, 2> gradients) {
  const bool student_gradient = gradients[0];
  const bool teacher_gradient = gradients[1];
  const at::ScalarType dtype = compute_dtype(student);
  const at::Tensor s = student.to(dtype).contiguous();
  const at::Tensor t = teacher.to(dtype).contiguous();
  const at::Tensor grad_s = student_gradient ? at::empty_like(s) : at::Tensor();
  const at::Tensor grad_t = teacher_gradient ? at::empty_like(t) : at::Tensor();
  const int64_t batch = s.size(0);
  const int64_t classes = s.size(1);
  const std::vector<double> shares = shares_of(weight, batch, temperature);
  std::vector<double> terms(static_cast<size_t>(batch));

  AT_DISPATCH_FLOATING_TYPES(dtype, "kd_loss", [&] {
    using Row = KdRow<scalar_t>;
    using Function = scalar_t (*)(const Row&);
    const auto kd_row = select<Function>(&baseline::kd_row, &avx2::kd_row, &avx512::kd_row);
    const scalar_t* s_data = s.const_data_ptr<scalar_t>();
    const scalar_t* t_data = t.const_data_ptr<scalar_t>();
    scalar_t* grad_s_data = student_gradient ? grad_s.mutable_data_ptr<scalar_t>() : nullptr;
    scalar_t* grad_t_data = teacher_gradient ? grad_t.mutable_data_ptr<scalar_t>() : nullptr;
    const auto row_of = [classes](auto* data, int64_t b) { return data ? data + b * classes : nullptr; };

    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / (4 * classes));
    parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const double share = shares[static_cast<size_t>(b)];
        if (share == 0) {
          // A sample that does not count may hold anything.
          for (scalar_t* gradient : {row_of(grad_s_data, b), row_of(grad_t_data, b)}) {
            if (gradient) std::fill_n(gradient, classes, scalar_t(0));
          }
          continue;
        }
        const scalar_t divergence = kd_row(
            {row_of(s_data, b), row_of(t_data, b), row_of(grad_s_data, b), row_of(grad_t_data, b), classes,
             static_cast<scalar_t>(1.0 / temperature), static_cast<scalar_t>(share), target == kProbabilities});
        terms[static_cast<size_t>(b)] = static_cast<double>(divergence) * share;
      }
    });
  });
  const double loss = std::accumulate(terms.begin(), terms.end(), 0.0);
  return with_gradients(scalar_on_cpu(loss, dtype), {grad_s, grad_t});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_kd_forward", &kd_forward);
}

}  // namespace retort::kernels
