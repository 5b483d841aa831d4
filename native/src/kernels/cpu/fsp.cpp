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

std::vector<Maps> maps_of(at::TensorList tensors, bool wants_gradient) {
  std::vector<Maps> maps;
  for (const at::Tensor& tensor : tensors) maps.emplace_back(tensor, wants_gradient);
  return maps;
}

template <typename T>
std::vector<FeatureMap<T>> sample_of(const std::vector<Maps>& maps, int64_t b) {
  std::vector<FeatureMap<T>> sample;
  for (const Maps& map : maps) sample.push_back(map.sample<T>(b));
  return sample;
}

LossWithGradients fsp_forward(at::TensorList student, at::TensorList teacher, std::array<bool, 2> gradients) {
  const std::vector<Maps> students = maps_of(student, gradients[0]);
  const std::vector<Maps> teachers = maps_of(teacher, gradients[1]);
  const int64_t batch = student[0].size(0);
  const at::ScalarType dtype = compute_dtype(student[0]);
  at::Tensor loss = at::empty({}, student[0].options().dtype(dtype));
  std::vector<double> sums(static_cast<size_t>(batch));

  AT_DISPATCH_FLOATING_TYPES(dtype, "fsp_loss", [&] {
    using Function = double (*)(const FspSample<scalar_t>&);
    const auto fsp_sample = select<Function>(&baseline::fsp_sample, &avx2::fsp_sample, &avx512::fsp_sample);
    at::parallel_for(0, batch, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const auto student_maps = sample_of<scalar_t>(students, b);
        const auto teacher_maps = sample_of<scalar_t>(teachers, b);
        sums[static_cast<size_t>(b)] = fsp_sample(
            {student_maps.data(), teacher_maps.data(), static_cast<int64_t>(student_maps.size()),
             static_cast<scalar_t>(1.0 / static_cast<double>(batch))});
      }
    });
    const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
    *loss.mutable_data_ptr<scalar_t>() = static_cast<scalar_t>(sum / static_cast<double>(batch));
  });

  std::vector<at::Tensor> all;
  for (const Maps& maps : students) all.push_back(maps.gradient());
  for (const Maps& maps : teachers) all.push_back(maps.gradient());
  return {loss, all};
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::kernels
