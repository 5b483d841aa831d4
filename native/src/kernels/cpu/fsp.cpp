#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <array>
#include <numeric>

#include "kernels/cpu/fsp.simd.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/maps.h"
#include "util/operators.h"

namespace retort::kernels {
namespace {

LossWithGradients fsp_forward(
    const at::Tensor& student_first, const at::Tensor& student_second, const at::Tensor& teacher_first,
    const at::Tensor& teacher_second, std::array<bool, 4> gradients) {
  const Maps s1(student_first, gradients[0]);
  const Maps s2(student_second, gradients[1]);
  const Maps t1(teacher_first, gradients[2]);
  const Maps t2(teacher_second, gradients[3]);
  const int64_t batch = student_first.size(0);
  const double scale = 1.0 / static_cast<double>(batch * student_first.size(1) * student_second.size(1));
  const at::ScalarType dtype = compute_dtype(student_first);
  at::Tensor loss = at::empty({}, student_first.options().dtype(dtype));
  std::vector<double> distances(static_cast<size_t>(batch));

  AT_DISPATCH_FLOATING_TYPES(dtype, "fsp_loss", [&] {
    using Function = double (*)(const FspPair<scalar_t>&);
    const auto fsp_pair = select<Function>(&baseline::fsp_pair, &avx2::fsp_pair, &avx512::fsp_pair);
    at::parallel_for(0, batch, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        distances[static_cast<size_t>(b)] = fsp_pair(
            {s1.sample<scalar_t>(b), s2.sample<scalar_t>(b), t1.sample<scalar_t>(b), t2.sample<scalar_t>(b),
             static_cast<scalar_t>(scale)});
      }
    });
    const double sum = std::accumulate(distances.begin(), distances.end(), 0.0);
    *loss.mutable_data_ptr<scalar_t>() = static_cast<scalar_t>(sum * scale);
  });
  return {loss, {s1.gradient(), s2.gradient(), t1.gradient(), t2.gradient()}};
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::kernels
