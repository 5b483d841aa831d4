#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <torch/library.h>

#include <array>

#include "kernels/cpu/maps.h"
#include "kernels/cpu/ofd.simd.h"
#include "kernels/cpu/per_sample.h"
#include "kernels/math/ofd.h"
#include "tensor/operators.h"

namespace retort::kernels {
namespace {

/// The teacher's maps in the order in which the student's lie in memory.
at::Tensor in_format_of(const at::Tensor& student, const at::Tensor& teacher) {
  return teacher.contiguous(dense(student).suggest_memory_format());
}

LossWithGradients ofd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, int64_t reduction,
    std::array<bool, 2> gradients) {
  const Maps students(student, gradients[0]);
  const Maps teachers(in_format_of(student, teacher), gradients[1]);
  const at::ScalarType dtype = compute_dtype(student);
  const at::Tensor margins = margin.to(dtype).contiguous();
  const int64_t batch = student.size(0);
  const double scale = math::ofd_scale(static_cast<math::OfdReduction>(reduction), batch, student.numel());
  const auto distance_of =
      AT_DISPATCH_FLOATING_TYPES(dtype, "ofd_loss", [] { return ofd_kernels<scalar_t>().distance; });
  const double sum = sum_over_samples(batch, student.numel() / batch, [&](int64_t b, Scratch& scratch) {
    return distance_of({students.sample(b), teachers.sample(b), margins.const_data_ptr(), scale, &scratch});
  });
  return with_gradients(scalar_on_cpu(sum * scale, dtype), {students.gradient(), teachers.gradient()});
}

at::Tensor ofd_negatives(const at::Tensor& teacher) {
  const Maps maps(teacher, false);
  const at::ScalarType dtype = compute_dtype(teacher);
  const int64_t batch = teacher.size(0);
  const int64_t channels = teacher.size(1);
  const auto sum_negatives =
      AT_DISPATCH_FLOATING_TYPES(dtype, "ofd_negatives", [] { return ofd_kernels<scalar_t>().sum_negatives; });
  const at::Tensor sums = at::empty({batch, channels}, teacher.options().dtype(at::kDouble));
  const at::Tensor counts = at::empty_like(sums);
  double* sum_data = sums.mutable_data_ptr<double>();
  double* count_data = counts.mutable_data_ptr<double>();
  for_each_sample(batch, teacher.numel() / batch, [&](int64_t b, Scratch& scratch) {
    sum_negatives(maps.sample(b), sum_data + b * channels, count_data + b * channels, scratch);
  });
  return at::stack({sums.sum(0), counts.sum(0)});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_ofd_forward", &ofd_forward);
  m.impl("_ofd_negatives", &ofd_negatives);
}

}  // namespace retort::kernels
