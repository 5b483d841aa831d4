#include "train/gradients.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <utility>

#include "tensor/check.h"
#include "tensor/finite.h"

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

/// PyTorch's constant against a division by zero.
constexpr double kSmallestDivisor = 1e-6;

double norm_of(const std::vector<double>& squares) {
  double sum = 0;
  for (double square : squares) sum += square;
  return std::sqrt(sum);
}

std::vector<double> squares_of(const Gradients& gradients) {
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

void check_finite(bool is_finite, const std::string& name) {
  RETORT_CHECK_AS(NonFiniteError, is_finite, "TrainingStep: gradient of ", name, " must be finite (got inf or nan)");
}

Gradients defined(const Gradients& gradients) {
  Gradients defined;
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) defined.push_back(gradient);
  }
  return defined;
}

}  // namespace

double checked_norm(const Gradients& gradients, const std::vector<std::string>& names) {
  const std::vector<double> all = squares_of(gradients);
  for (size_t i = 0; i < all.size(); ++i) {
    check_finite(std::isfinite(all[i]) || all_finite(gradients[i]), names[i]);
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
  const double factor = clip_norm / (norm + kSmallestDivisor);
  if (clip_norm > 0 && factor < 1) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient * factor;
    }
  }
  return gradients;
}

at::Tensor norms_on_device(const Gradients& gradients, const at::TensorOptions& like) {
  const Gradients given = defined(gradients);
  const at::Tensor zero = at::zeros({}, like.dtype(at::kDouble));
  if (given.empty()) return zero.expand({static_cast<int64_t>(gradients.size())});
  std::vector<at::Tensor> norms = at::_foreach_norm(given, 2, at::kDouble);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) norms.insert(norms.begin() + static_cast<std::ptrdiff_t>(i), zero);
  }
  return at::stack(norms);
}

double checked_norm_of(const std::vector<double>& norms, const std::vector<std::string>& names) {
  double sum = 0;
  for (size_t i = 0; i < norms.size(); ++i) {
    check_finite(std::isfinite(norms[i]), names[i]);
    sum += norms[i] * norms[i];
  }
  return std::sqrt(sum);
}

Gradients clip_on_device(Gradients gradients, const at::Tensor& norms, double clip_value, double clip_norm) {
  at::Tensor own_norms = norms;
  if (clip_value > 0) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient.clamp(-clip_value, clip_value);
    }
    if (clip_norm > 0) own_norms = norms_on_device(gradients, norms.options());
  }
  if (clip_norm == 0) return gradients;
  const at::Tensor norm = own_norms.square().sum().sqrt();
  return times(std::move(gradients), (clip_norm / (norm + kSmallestDivisor)).clamp_max(1));
}

Gradients times(Gradients gradients, const at::Tensor& factor) {
  const Gradients given = defined(gradients);
  if (given.empty()) return gradients;
  const Gradients products = at::_foreach_mul(given, factor.to(given.front().scalar_type()));
  auto product = products.begin();
  for (at::Tensor& gradient : gradients) {
    if (gradient.defined()) gradient = *product++;
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
