#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <array>
#include <numeric>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/maps.h"
#include "kernels/cpu/nst.simd.h"
#include "util/operators.h"

namespace retort::kernels {
namespace {

NstKernel kernel_of(c10::string_view name) {
  if (name == "linear") return NstKernel::kLinear;
  return name == "gaussian" ? NstKernel::kGaussian : NstKernel::kPolynomial;
}

LossWithGradients nst_forward(
    const at::Tensor& student, const at::Tensor& teacher, c10::string_view kernel, double dead_channel_norm,
    std::array<bool, 2> gradients) {
  const Maps students(student, gradients[0]);
  const Maps teachers(teacher, gradients[1]);
  const int64_t batch = student.size(0);
  const at::ScalarType dtype = compute_dtype(student);
  at::Tensor loss = at::empty({}, student.options().dtype(dtype));
  std::vector<double> discrepancies(static_cast<size_t>(batch));

  AT_DISPATCH_FLOATING_TYPES(dtype, "nst_loss", [&] {
    using Function = double (*)(const NstLayer<scalar_t>&);
    const auto nst_layer = select<Function>(&baseline::nst_layer, &avx2::nst_layer, &avx512::nst_layer);
    at::parallel_for(0, batch, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        NstLayer<scalar_t> layer{
            students.sample<scalar_t>(b), teachers.sample<scalar_t>(b), kernel_of(kernel),
            static_cast<scalar_t>(1.0 / static_cast<double>(batch)), static_cast<scalar_t>(dead_channel_norm)};
        discrepancies[static_cast<size_t>(b)] = nst_layer(layer);
        if (!layer.teacher.gradient) continue;
        std::swap(layer.student, layer.teacher);
        nst_layer(layer);
      }
    });
    const double sum = std::accumulate(discrepancies.begin(), discrepancies.end(), 0.0);
    *loss.mutable_data_ptr<scalar_t>() = static_cast<scalar_t>(sum / static_cast<double>(batch));
  });
  return {loss, {students.gradient(), teachers.gradient()}};
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_nst_forward", &nst_forward);
}

}  // namespace retort::kernels
