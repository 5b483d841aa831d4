#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/cpu/maps.h"
#include "kernels/cpu/ofd.simd.h"
#include "kernels/cpu/per_sample.h"
#include "kernels/math/ofd.h"
#include "tensor/operators.h"

namespace retort::kernels {
namespace {

/// The samples of a batch, or, if it is small, parts of them for threads to share: neighbouring channels, or positions
/// if the maps are channels-last.
class Parts {
 public:
  Parts(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, std::array<bool, 2> gradients)
      : students_(student, gradients[0]),
        teachers_(
            teacher.contiguous(
                students_.channels_last() ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous),
            gradients[1]),
        margins_(margin.to(compute_dtype(student)).contiguous()),
        batch_(student.size(0)),
        divided_(students_.channels_last() ? student.size(2) * student.size(3) : student.size(1)),
        of_sample_(std::clamp<int64_t>(
            student.numel() / batch_ / kFewestElements, 1, std::min(parts_of_sample(batch_), divided_))) {}

  int64_t count() const { return batch_ * of_sample_; }

  OfdSample part(int64_t index, double gradient_scale, Scratch& scratch) const {
    const int64_t b = index / of_sample_;
    const int64_t part = index % of_sample_;
    const int64_t begin = divided_ * part / of_sample_;
    const int64_t count = divided_ * (part + 1) / of_sample_ - begin;
    const auto* margin = static_cast<const char*>(margins_.const_data_ptr());
    if (students_.channels_last()) {
      return {
          students_.positions(b, begin, count), teachers_.positions(b, begin, count), margin, gradient_scale, &scratch};
    }
    margin += static_cast<size_t>(begin) * margins_.element_size();
    return {students_.channels(b, begin, count), teachers_.channels(b, begin, count), margin, gradient_scale, &scratch};
  }

  std::vector<at::Tensor> gradients() const { return {students_.gradient(), teachers_.gradient()}; }

 private:
  /// Of a part.
  static constexpr int64_t kFewestElements = 1 << 12;

  Maps students_;
  Maps teachers_;
  at::Tensor margins_;
  int64_t batch_;
  /// Channels or positions.
  int64_t divided_;
  int64_t of_sample_;
};

LossWithGradients ofd_forward(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin, int64_t reduction,
    std::array<bool, 2> gradients) {
  const Parts parts(student, teacher, margin, gradients);
  const at::ScalarType dtype = compute_dtype(student);
  const double scale = math::ofd_scale(static_cast<math::OfdReduction>(reduction), student.size(0), student.numel());
  const auto distance_of =
      AT_DISPATCH_FLOATING_TYPES(dtype, "ofd_loss", [] { return ofd_kernels<scalar_t>().distance; });
  const int64_t work = student.numel() / parts.count();
  const double sum = sum_over_samples(
      parts.count(), work, [&](int64_t i, Scratch& scratch) { return distance_of(parts.part(i, scale, scratch)); });
  return with_gradients(scalar_on_cpu(sum * scale, dtype), parts.gradients());
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
