#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <cmath>

#include "runtime/threads.h"
#include "tensor/finite.h"

namespace retort::kernels {
namespace {

template <typename T>
double sum_of_squares(const T* data, int64_t count, double scale) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(data[i]) * scale;
    sum += value * value;
  }
  return sum;
}

double norm_of(const at::Tensor& tensor) {
  if (!is_plain(tensor))
    return norm_of(tensor.to(tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).contiguous());
  return AT_DISPATCH_FLOATING_TYPES(tensor.scalar_type(), "norms", [&] {
    const scalar_t* data = tensor.const_data_ptr<scalar_t>();
    const double sum = sum_of_squares(data, tensor.numel(), 1);
    if (std::isfinite(sum) || !all_finite(tensor)) return std::sqrt(sum);
    // Numbers whose squares are too large for float64.
    constexpr double kSmall = 0x1p-600;
    return std::sqrt(sum_of_squares(data, tensor.numel(), kSmall)) / kSmall;
  });
}

void write_norms(at::TensorList tensors, const at::Tensor& norms) {
  double* norm = norms.mutable_data_ptr<double>();
  const auto count = static_cast<int64_t>(tensors.size());
  int64_t elements = 1;
  for (const at::Tensor& tensor : tensors) elements += tensor.defined() ? tensor.numel() : 0;
  // No more than have enough elements to be worth a thread.
  const int64_t grain = at::internal::GRAIN_SIZE * count / elements + 1;
  parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor& tensor = tensors[static_cast<size_t>(i)];
      norm[i] = tensor.defined() ? norm_of(tensor) : 0;
    }
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_write_norms", &write_norms);
}

}  // namespace retort::kernels
