#include "losses/cross_entropy.h"

#include <ATen/ops/tensor.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <optional>

#include "losses/logits_criterion.h"
#include "tensor/check.h"
#include "tensor/numbers.h"
#include "tensor/operators.h"

namespace retort {
namespace {

class CrossEntropy final : public LogitsCriterion {
 public:
  CrossEntropy(const std::vector<double>& class_weights, double label_smoothing)
      : class_weights_(class_weights), label_smoothing_(label_smoothing) {
    if (!class_weights.empty()) class_weights_tensor_ = at::tensor(class_weights, at::kDouble);
  }

  bool applies(const CriterionBatch& batch) const override { return any_counts(batch, class_weights_); }

  /// It has nothing that could change.
  void snapshot() override {}
  void restore() override {}

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    using Forward = LossWithGradients(
        const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
        double, std::array<bool, 1>);
    static const auto forward = find_operator<Forward>("retort::_cross_entropy_forward");
    const at::Tensor& logits = input.logits_student;
    // Where they stay.
    if (class_weights_tensor_.defined()) class_weights_tensor_ = class_weights_tensor_.to(logits.device());
    return forward.call(
        logits, input.labels, if_defined(input.weights), if_defined(class_weights_tensor_), label_smoothing_,
        {gradient});
  }

  std::vector<double> class_weights_;
  at::Tensor class_weights_tensor_;
  double label_smoothing_;
};

}  // namespace

std::shared_ptr<Criterion> make_cross_entropy(
    const std::vector<double>& class_weights, double label_smoothing, int64_t classes) {
  RETORT_CHECK(
      label_smoothing >= 0 && label_smoothing <= 1, "CrossEntropy: label smoothing must be between 0 and 1 (got ",
      label_smoothing, ")");
  RETORT_CHECK(
      class_weights.empty() || static_cast<int64_t>(class_weights.size()) == classes,
      "CrossEntropy: class weights must be one for each of ", classes, " classes (got ", class_weights.size(), ")");
  for (double weight : class_weights) check_not_negative("CrossEntropy", "class weight", weight);
  RETORT_CHECK(
      class_weights.empty() ||
          std::any_of(class_weights.begin(), class_weights.end(), [](double weight) { return weight > 0; }),
      "CrossEntropy: class weights must not all be 0 (got only 0)");
  return std::make_shared<CrossEntropy>(class_weights, label_smoothing);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  // The labels are -1 for a sample without one; what is not labelled counts nothing.
  m.def(
      "_cross_entropy_forward(Tensor logits, Tensor labels, Tensor? weight, Tensor? class_weight, "
      "float label_smoothing, bool[1] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
