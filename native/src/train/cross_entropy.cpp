#include "train/cross_entropy.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "io/description.h"
#include "kernels/math/exp.h"
#include "tensor/check.h"
#include "tensor/cpu.h"
#include "tensor/numbers.h"
#include "tensor/precision.h"

namespace retort {

CrossEntropy::CrossEntropy(CrossEntropyOptions options, int64_t classes) : options_(std::move(options)) {
  check_not_negative("CrossEntropy", "weight", options_.weight);
  options_.schedule.check("CrossEntropy");
  RETORT_CHECK(
      options_.label_smoothing >= 0 && options_.label_smoothing <= 1,
      "CrossEntropy: label smoothing must be between 0 and 1 (got ", options_.label_smoothing, ")");
  const std::vector<double>& weights = options_.class_weights;
  if (weights.empty()) return;
  RETORT_CHECK(
      static_cast<int64_t>(weights.size()) == classes, "CrossEntropy: class weights must be one for each of ", classes,
      " classes (got ", weights.size(), ")");
  for (double weight : weights) check_not_negative("CrossEntropy", "class weight", weight);
  RETORT_CHECK(
      std::any_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; }),
      "CrossEntropy: class weights must not all be 0 (got only 0)");
}

template <typename T>
double CrossEntropy::differentiate_row(
    const T* logits, int64_t classes, int64_t label, double share, double factor, T* gradient) const {
  T largest = logits[0];
#pragma omp simd reduction(max : largest)
  for (int64_t c = 0; c < classes; ++c) largest = logits[c] > largest ? logits[c] : largest;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < classes; ++c) {
    gradient[c] = math::exp_nonpositive(logits[c] - largest);
    sum += gradient[c];
  }
  const double log_sum = std::log(static_cast<double>(sum));
  const double smoothing = options_.label_smoothing;
  const double of_label = share * (1 - smoothing) * class_weight(label);
  double loss = 0;
  double total = 0;
  const auto add = [&](int64_t c, double weight) {
    total += weight;
    if (weight > 0) loss += weight * (log_sum - static_cast<double>(logits[c] - largest));
  };
  const auto of_class = [&](int64_t c) { return share * smoothing / static_cast<double>(classes) * class_weight(c); };
  add(label, of_label);
  for (int64_t c = 0; c < classes && smoothing > 0; ++c) add(c, of_class(c));

  const T scale = static_cast<T>(factor * total / static_cast<double>(sum));
#pragma omp simd
  for (int64_t c = 0; c < classes; ++c) gradient[c] *= scale;
  gradient[label] -= static_cast<T>(factor * of_label);
  for (int64_t c = 0; c < classes && smoothing > 0; ++c) gradient[c] -= static_cast<T>(factor * of_class(c));
  return loss;
}

double CrossEntropy::norm(const at::Tensor& labels, const at::Tensor& weights) const {
  const at::Tensor labels_on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  const at::Tensor weights_on_cpu = weights.defined() ? contiguous_on_cpu(weights, at::kDouble) : at::Tensor();
  const double* weight = weights.defined() ? weights_on_cpu.const_data_ptr<double>() : nullptr;
  double norm = 0;
  for (int64_t b = 0; b < labels.size(0); ++b) {
    if (label[b] >= 0) norm += class_weight(label[b]) * (weight ? weight[b] : 1);
  }
  return norm;
}

std::optional<CrossEntropy::Result> CrossEntropy::differentiate(
    const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights, double factor) const {
  const int64_t batch = logits.size(0);
  const int64_t classes = logits.size(1);
  const at::Tensor labels_on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  const at::Tensor weights_on_cpu = weights.defined() ? contiguous_on_cpu(weights, at::kDouble) : at::Tensor();
  const double* weight = weights.defined() ? weights_on_cpu.const_data_ptr<double>() : nullptr;
  const double norm = this->norm(labels_on_cpu, weights_on_cpu);
  if (norm == 0) return {};

  const at::ScalarType dtype = compute_dtype(logits);
  const at::Tensor rows = contiguous_on_cpu(logits, dtype);
  const at::Tensor gradient = at::empty(rows.sizes(), rows.options());
  std::vector<double> losses(static_cast<size_t>(batch));
  AT_DISPATCH_FLOATING_TYPES(dtype, "cross_entropy", [&] {
    const scalar_t* row = rows.const_data_ptr<scalar_t>();
    scalar_t* gradient_row = gradient.mutable_data_ptr<scalar_t>();
    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / classes);
    at::parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        scalar_t* own = gradient_row + b * classes;
        const double share = (weight ? weight[b] : 1) / norm;
        if (label[b] < 0 || share == 0) {
          std::fill_n(own, classes, scalar_t(0));
        } else {
          losses[static_cast<size_t>(b)] = differentiate_row(row + b * classes, classes, label[b], share, factor, own);
        }
      }
    });
  });
  return Result{std::accumulate(losses.begin(), losses.end(), 0.0), gradient.to(logits.options())};
}

CrossEntropy::ResultOnDevice CrossEntropy::differentiate_on_device(
    const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights, const at::Tensor& inverse_norm,
    const at::Tensor& factor) {
  const at::NoGradGuard no_grad;
  const at::ScalarType dtype = compute_dtype(logits);
  const at::Tensor rows = logits.detach().to(dtype);
  const int64_t classes = rows.size(1);
  if (!class_weights_.defined() && !options_.class_weights.empty()) {
    class_weights_ = at::tensor(options_.class_weights, rows.options());
  }
  // How much the sample counts, and how much each of its classes.
  at::Tensor share = labels.ge(0).to(dtype) * inverse_norm.to(dtype);
  if (weights.defined()) share = share * weights.to(dtype);
  const at::Tensor is_label = at::arange(classes, labels.options()).eq(labels.unsqueeze(1));
  const double smoothing = options_.label_smoothing;
  at::Tensor target = is_label.to(dtype) * (1 - smoothing) + smoothing / static_cast<double>(classes);
  if (class_weights_.defined()) target = target * class_weights_;
  target = target * share.unsqueeze(1);

  const at::Tensor total = target.sum(1, /*keepdim=*/true);
  const at::Tensor log_probabilities = rows.log_softmax(1);
  const at::Tensor loss = at::where(target > 0, target * -log_probabilities, 0).sum(at::kDouble);
  // What a sample that does not count holds makes no difference.
  const at::Tensor gradient = at::where(total > 0, log_probabilities.exp() * total - target, 0);
  return {loss, (gradient * factor.to(dtype)).to(logits.scalar_type())};
}

std::string CrossEntropyOptions::description() const {
  return describe(
      "cross_entropy", {{"weight", weight},
                        {"schedule", schedule.description()},
                        {"class_weights", class_weights},
                        {"label_smoothing", label_smoothing}});
}

}  // namespace retort
