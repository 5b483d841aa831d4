#include "train/cross_entropy.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "util/check.h"
#include "util/description.h"
#include "util/numbers.h"

namespace retort {

CrossEntropy::CrossEntropy(CrossEntropyOptions options, int64_t classes, const at::TensorOptions& logits)
    : options_(std::move(options)) {
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
  class_weights_ = at::tensor(weights, logits);
}

at::Tensor CrossEntropy::loss(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) const {
  const at::Tensor labels_on_cpu = labels.cpu().contiguous();
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  const at::Tensor weights_on_cpu =
      weights.defined() ? weights.to(at::TensorOptions(at::kCPU).dtype(at::kDouble)).contiguous() : at::Tensor();
  const double* weight = weights.defined() ? weights_on_cpu.const_data_ptr<double>() : nullptr;
  double norm = 0;
  for (int64_t i = 0; i < labels.size(0); ++i) {
    if (label[i] < 0) continue;
    const double of_class = options_.class_weights.empty() ? 1 : options_.class_weights[static_cast<size_t>(label[i])];
    norm += of_class * (weight ? weight[i] : 1);
  }
  if (norm == 0) return {};
  const auto reduction = weight ? at::Reduction::None : at::Reduction::Mean;
  const at::Tensor loss =
      at::cross_entropy_loss(logits, labels, class_weights_, reduction, /*ignore_index=*/-1, options_.label_smoothing);
  return weight ? at::dot(loss, (weights_on_cpu / norm).to(loss.options())) : loss;
}

std::string CrossEntropyOptions::description() const {
  return describe(
      "cross_entropy", {{"weight", weight},
                        {"schedule", schedule.description()},
                        {"class_weights", class_weights},
                        {"label_smoothing", label_smoothing}});
}

}  // namespace retort
