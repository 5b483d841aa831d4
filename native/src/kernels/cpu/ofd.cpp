#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/ofd.simd.h"
#include "util/operators.h"
#include "util/precision.h"

namespace retort::kernels {
namespace {

/// The smallest divisor of the batch margin, which is therefore 0 where nothing is negative.
constexpr double kEpsilon = 1e-6;

LossWithGradients ofd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, double scale,
    std::array<bool, 2> gradients) {
  const at::ScalarType dtype = compute_dtype(student);
  const at::Tensor s = student.to(dtype).contiguous();
  const at::Tensor t = teacher.to(dtype).contiguous();
  const at::Tensor m = margin.to(dtype).contiguous();
  const at::Tensor grad_s = gradients[0] ? at::empty_like(s) : at::Tensor();
  const at::Tensor grad_t = gradients[1] ? at::empty_like(t) : at::Tensor();
  const int64_t channels = s.size(1);
  const int64_t planes = s.size(0) * channels;
  const int64_t count = s.numel() / planes;
  at::Tensor loss = at::empty({}, s.options());
  std::vector<double> distances(static_cast<size_t>(planes));

  AT_DISPATCH_FLOATING_TYPES(dtype, "ofd_loss", [&] {
    using Function = double (*)(const OfdPlane<scalar_t>&);
    const auto ofd_plane = select<Function>(&baseline::ofd_plane, &avx2::ofd_plane, &avx512::ofd_plane);
    const scalar_t* s_data = s.const_data_ptr<scalar_t>();
    const scalar_t* t_data = t.const_data_ptr<scalar_t>();
    const scalar_t* m_data = m.const_data_ptr<scalar_t>();
    scalar_t* grad_s_data = grad_s.defined() ? grad_s.mutable_data_ptr<scalar_t>() : nullptr;
    scalar_t* grad_t_data = grad_t.defined() ? grad_t.mutable_data_ptr<scalar_t>() : nullptr;
    const auto plane_of = [count](auto* data, int64_t p) { return data ? data + p * count : nullptr; };

    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / count);
    at::parallel_for(0, planes, grain, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        distances[static_cast<size_t>(p)] = ofd_plane(
            {plane_of(s_data, p), plane_of(t_data, p), plane_of(grad_s_data, p), plane_of(grad_t_data, p), count,
             m_data[p % channels], static_cast<scalar_t>(scale)});
      }
    });
    const double sum = std::accumulate(distances.begin(), distances.end(), 0.0);
    *loss.mutable_data_ptr<scalar_t>() = static_cast<scalar_t>(sum * scale);
  });
  return {loss, {like(student, grad_s), like(teacher, grad_t)}};
}

at::Tensor ofd_batch_margin(const at::Tensor& teacher) {
  const at::ScalarType dtype = compute_dtype(teacher);
  const at::Tensor t = teacher.to(dtype).contiguous();
  const int64_t batch = t.size(0);
  const int64_t channels = t.size(1);
  const int64_t count = t.numel() / (batch * channels);
  at::Tensor margin = at::empty({channels}, t.options());

  AT_DISPATCH_FLOATING_TYPES(dtype, "ofd_batch_margin", [&] {
    using Function = NegativeResponses (*)(const scalar_t*, int64_t);
    const auto negative_responses =
        select<Function>(&baseline::negative_responses, &avx2::negative_responses, &avx512::negative_responses);
    const scalar_t* t_data = t.const_data_ptr<scalar_t>();
    scalar_t* margin_data = margin.mutable_data_ptr<scalar_t>();
    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / (batch * count));
    at::parallel_for(0, channels, grain, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        NegativeResponses all = {0, 0};
        for (int64_t b = 0; b < batch; ++b) {
          const NegativeResponses here = negative_responses(t_data + (b * channels + c) * count, count);
          all.sum += here.sum;
          all.count += here.count;
        }
        margin_data[c] = static_cast<scalar_t>(all.sum / (static_cast<double>(all.count) + kEpsilon));
      }
    });
  });
  return margin;
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_ofd_forward", &ofd_forward);
  m.impl("_ofd_batch_margin", &ofd_batch_margin);
}

}  // namespace retort::kernels
