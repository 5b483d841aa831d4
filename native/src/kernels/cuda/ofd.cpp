#include "kernels/cuda/ofd.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <torch/library.h>

#include <array>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/tensors.h"
#include "kernels/math/ofd.h"
#include "tensor/dense.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {
namespace {

MapLayout layout_of(const at::Tensor& maps) {
  return {maps.size(0), maps.size(1), maps.size(2) * maps.size(3), !maps.is_contiguous()};
}

LossWithGradients ofd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, int64_t reduction,
    std::array<bool, 2> gradients) {
  const OnDevice device(student);
  const at::ScalarType dtype = compute_dtype(student);
  const double scale = math::ofd_scale(static_cast<math::OfdReduction>(reduction), student.size(0), student.numel());
  // A teacher of another size was brought to the student's in the dtype that is computed in.
  const at::Tensor s = dense(student.scalar_type() == teacher.scalar_type() ? student : student.to(dtype));
  const at::Tensor t =
      teacher.to(s.scalar_type())
          .contiguous(s.is_contiguous() ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast);
  const at::Tensor margins = margin.to(dtype).contiguous();
  const at::Tensor grad_s = gradients[0] ? at::empty_like(s, map_gradient_dtype(s)) : at::Tensor();
  const at::Tensor grad_t = gradients[1] ? at::empty_like(t, map_gradient_dtype(t)) : at::Tensor();
  const at::Tensor parts = at::empty({ofd_parts(s.numel())}, s.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, s.scalar_type(), "ofd_loss", [&] {
    using T = Computed<scalar_t>;
    using Gradient = typename OfdMaps<scalar_t, T>::Gradient;
    ofd_distance(
        device.stream(),
        OfdMaps<scalar_t, T>{
            data<scalar_t>(s), data<scalar_t>(t), mutable_data<Gradient>(grad_s), mutable_data<Gradient>(grad_t),
            data<T>(margins), layout_of(s), static_cast<T>(scale)},
        mutable_data<double>(parts));
  });
  return with_gradients(
      scalar_loss(parts, scale, dtype), {stored_gradient(student, grad_s), stored_gradient(teacher, grad_t)});
}

at::Tensor ofd_negatives(const at::Tensor& teacher) {
  const OnDevice device(teacher);
  const at::Tensor maps = dense(teacher);
  const MapLayout layout = layout_of(maps);
  const at::Tensor sums = at::empty({negative_parts(layout), layout.channels}, teacher.options().dtype(at::kDouble));
  const at::Tensor counts = at::empty_like(sums);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, maps.scalar_type(), "ofd_negatives", [&] {
    sum_negatives(
        device.stream(), data<scalar_t>(maps), layout, mutable_data<double>(sums), mutable_data<double>(counts));
  });
  return at::stack({sums.sum(0), counts.sum(0)});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, RETORT_CUDA_KEY, m) {
  m.impl("_ofd_forward", &ofd_forward);
  m.impl("_ofd_negatives", &ofd_negatives);
}

}  // namespace retort::kernels::cuda
