#include "train/gradients.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "util/check.h"
#include "util/finite.h"

namespace retort {
namespace {

template <typename T>
double squares(const T* data, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(data[i]) * static_cast<double>(data[i]);
  return sum;
}

/// The sum of the squares; not finite if an element is not, or if the sum is too large.
double squares(const at::Tensor& tensor) {
  if (!is_plain(tensor)) return tensor.to(at::kDouble).square().sum().item<double>();
  return AT_DISPATCH_FLOATING_TYPES(
      tensor.scalar_type(), "squares", [&] { return squares(tensor.const_data_ptr<scalar_t>(), tensor.numel()); });
}

double norm_of(const std::vector<double>& squares) {
  double sum = 0;
  for (double square : squares) sum += square;
  return std::sqrt(sum);
}

/// The sums of the squares on another device, which is waited for once.
std::vector<double> squares_on_device(const Gradients& gradients) {
  std::vector<double> all(gradients.size());
  std::vector<size_t> places;
  std::vector<at::Tensor> defined;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    places.push_back(i);
    defined.push_back(gradients[i]);
  }
  if (defined.empty()) return all;
  const at::Tensor norms = at::stack(at::_foreach_norm(defined, 2, at::kDouble)).cpu();
  const double* norm = norms.const_data_ptr<double>();
  for (size_t i = 0; i < places.size(); ++i) all[places[i]] = norm[i] * norm[i];
  return all;
}

std::vector<double> squares_of(const Gradients& gradients) {
  const bool is_elsewhere = std::any_of(
      gradients.begin(), gradients.end(), [](const at::Tensor& one) { return one.defined() && !one.is_cpu(); });
  if (is_elsewhere) return squares_on_device(gradients);
  std::vector<double> all(gradients.size());
  const auto count = static_cast<int64_t>(gradients.size());
  int64_t elements = 1;
  for (const at::Tensor& gradient : gradients) elements += gradient.defined() ? gradient.numel() : 0;
  // As many as have the elements that are worth a thread.
  const int64_t grain = at::internal::GRAIN_SIZE * count / elements + 1;
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      if (gradients[i].defined()) all[i] = squares(gradients[i]);
    }
  });
  return all;
}

}  // namespace

double checked_norm(const Gradients& gradients, const std::vector<std::string>& names) {
  const std::vector<double> all = squares_of(gradients);
  for (size_t i = 0; i < all.size(); ++i) {
    RETORT_CHECK_AS(
        NonFiniteError, std::isfinite(all[i]) || all_finite(gradients[i]), "TrainingStep: gradient of ", names[i],
        " must be finite (got inf or nan)");
  }
  return norm_of(all);
}

Gradients clip(Gradients gradients, double norm, double clip_value, double clip_norm) {
  if (clip_value > 0) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient.clamp(-clip_value, clip_value);
    }
    norm = norm_of(squares_of(gradients));
  }
  // PyTorch's constant against a division by zero.
  const double factor = clip_norm / (norm + 1e-6);
  if (clip_norm > 0 && factor < 1) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient * factor;
    }
  }
  return gradients;
}

Gradients Accumulation::plus(const Gradients& gradients) const {
  Gradients sum = sum_;
  sum.resize(gradients.size());
  for (size_t i = 0; i < sum.size(); ++i) {
    if (!gradients[i].defined()) continue;
    // A copy, since a gradient may be a view of the batch, which its owner overwrites.
    sum[i] = sum[i].defined() ? sum[i] + gradients[i] : gradients[i].clone();
  }
  return sum;
}

void Accumulation::keep(Gradients sum) {
  sum_ = std::move(sum);
  ++count_;
}

void Accumulation::clear() {
  sum_.clear();
  count_ = 0;
}

void Accumulation::restore(Gradients sum, int64_t count) {
  sum_ = std::move(sum);
  count_ = count;
}

}  // namespace retort
