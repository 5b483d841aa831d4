#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <array>

#include "kernels/cpu/fsp.simd.h"
#include "kernels/cpu/maps.h"
#include "kernels/cpu/per_sample.h"
#include "tensor/operators.h"

namespace retort::kernels {
namespace {

std::vector<Maps> maps_of(at::TensorList tensors, bool wants_gradient) {
  std::vector<Maps> maps;
  for (const at::Tensor& tensor : tensors) maps.emplace_back(tensor, wants_gradient);
  return maps;
}

std::vector<FeatureMap> sample_of(const std::vector<Maps>& maps, int64_t b) {
  std::vector<FeatureMap> sample;
  for (const Maps& map : maps) sample.push_back(map.sample(b));
  return sample;
}

LossWithGradients fsp_forward(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, int64_t pooling, int64_t reduction,
    std::array<bool, 2> gradients) {
  const std::vector<Maps> students = maps_of(student, gradients[0]);
  const std::vector<Maps> teachers = maps_of(teacher, gradients[1]);
  std::vector<FspPair> all_pairs;
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) all_pairs.push_back({pairs[i], pairs[i + 1]});
  const int64_t batch = student[0].size(0);
  const at::ScalarType dtype = compute_dtype(student[0]);
  const auto loss_of = AT_DISPATCH_FLOATING_TYPES(dtype, "fsp_loss", [] { return fsp_kernels<scalar_t>().loss; });

  int64_t work = 0;
  for (const FspPair& pair : all_pairs) {
    work += student[pair.first].numel() / batch * student[pair.second].size(1);
  }
  const double sum = sum_over_samples(batch, work, [&](int64_t b, Scratch& scratch) {
    const std::vector<FeatureMap> student_maps = sample_of(students, b);
    const std::vector<FeatureMap> teacher_maps = sample_of(teachers, b);
    FspSample sample{};
    sample.student = student_maps.data();
    sample.teacher = teacher_maps.data();
    sample.maps = static_cast<int64_t>(student_maps.size());
    sample.pairs = all_pairs.data();
    sample.pair_count = static_cast<int64_t>(all_pairs.size());
    sample.pooling = static_cast<Pooling>(pooling);
    sample.reduction = static_cast<FspReduction>(reduction);
    sample.gradient_scale = 1.0 / static_cast<double>(batch);
    sample.scratch = &scratch;
    return loss_of(sample);
  });

  std::vector<at::Tensor> all;
  for (const Maps& maps : students) all.push_back(maps.gradient());
  for (const Maps& maps : teachers) all.push_back(maps.gradient());
  return with_gradients(scalar_on_cpu(sum / static_cast<double>(batch), dtype), std::move(all));
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::kernels
