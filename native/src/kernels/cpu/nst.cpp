#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <array>
#include <utility>

#include "kernels/cpu/maps.h"
#include "kernels/cpu/nst.simd.h"
#include "kernels/cpu/per_sample.h"
#include "tensor/operators.h"

namespace retort::kernels {
namespace {

LossWithGradients nst_forward(
    const at::Tensor& student, const at::Tensor& teacher, int64_t kernel, int64_t degree, double offset,
    double variance, bool teacher_term, double dead_channel_norm, std::array<bool, 2> gradients) {
  const Maps students(student, gradients[0]);
  const Maps teachers(teacher, gradients[1]);
  const auto layer_kernel = static_cast<NstKernel>(kernel);
  const int64_t batch = student.size(0);
  const at::ScalarType dtype = compute_dtype(student);
  const auto discrepancy_of =
      AT_DISPATCH_FLOATING_TYPES(dtype, "nst_loss", [] { return nst_kernels<scalar_t>().discrepancy; });

  const int64_t work =
      student.numel() / batch * (layer_kernel == NstKernel::kLinear ? 1 : student.size(1) + teacher.size(1));
  const double sum = sum_over_samples(batch, work, [&](int64_t b, Scratch& scratch) {
    NstLayer layer{};
    layer.student = students.sample(b);
    layer.teacher = teachers.sample(b);
    layer.kernel = layer_kernel;
    layer.degree = degree;
    layer.offset = offset;
    layer.variance = variance;
    layer.student_term = true;
    layer.teacher_term = teacher_term;
    layer.gradient_scale = 1.0 / static_cast<double>(batch);
    layer.dead_channel_norm = dead_channel_norm;
    layer.scratch = &scratch;
    const double discrepancy = discrepancy_of(layer);
    if (layer.teacher.gradient) {
      scratch.reset();
      std::swap(layer.student, layer.teacher);
      std::swap(layer.student_term, layer.teacher_term);
      discrepancy_of(layer);
    }
    return discrepancy;
  });
  return with_gradients(
      scalar_on_cpu(sum / static_cast<double>(batch), dtype), {students.gradient(), teachers.gradient()});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_nst_forward", &nst_forward);
}

}  // namespace retort::kernels
