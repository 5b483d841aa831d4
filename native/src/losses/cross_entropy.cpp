#include <ATen/ops/tensor.h>
#include <retort/losses/cross_entropy.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <optional>

#include "losses/checks.h"
#include "losses/logits_criterion.h"
#include "losses/option_list.h"
#include "runtime/exit_gate.h"
#include "tensor/labels.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr const char* kCrossEntropyLoss = "cross_entropy_loss";

constexpr auto kNotNegativeNorAllZero = [](const char* function, const char* name, const std::vector<double>& weights) {
  for (double weight : weights) check_not_negative(function, name, weight);
  const bool some = std::any_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; });
  RETORT_CHECK(weights.empty() || some, function, ": ", name, " must not all be 0 (got only 0)");
};

constexpr OptionList kCrossEntropyOptions(kCrossEntropyLoss, [](const CrossEntropyOptions& options, const auto& visit) {
  visit("class_weights", options.class_weights, kNotNegativeNorAllZero);
  visit("label_smoothing", options.label_smoothing, kPortion);
});

/// For arguments that were checked.
LossWithGradients unchecked_cross_entropy_loss(
    const at::Tensor& student, const at::Tensor& labels, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& class_weights, double label_smoothing, std::array<bool, 1> gradients) {
  static const auto forward = find_operator<decltype(unchecked_cross_entropy_loss)>("retort::_cross_entropy_forward");
  return forward.call(student, labels, weight, class_weights, label_smoothing, gradients);
}

at::Tensor checked_cross_entropy_loss(
    const at::Tensor& student, const at::Tensor& labels, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& class_weights, double label_smoothing) {
  check_rows_of_logits(kCrossEntropyLoss, student);
  check_labels_of(kCrossEntropyLoss, labels, student);
  CrossEntropyOptions options;
  options.label_smoothing = label_smoothing;
  kCrossEntropyOptions.check(options);
  if (weight.has_value()) check_sample_weight(kCrossEntropyLoss, *weight, student);
  if (class_weights.has_value()) {
    check_nonnegative_weights(kCrossEntropyLoss, "class_weights", *class_weights, student.sym_size(1), student);
  }
  return std::get<0>(unchecked_cross_entropy_loss(
      student, clamped_labels(labels, student), without_gradient(weight), without_gradient(class_weights),
      label_smoothing, {}));
}

class CrossEntropyCriterion final : public LogitsCriterion {
 public:
  explicit CrossEntropyCriterion(const CrossEntropyOptions& options) : options_(options) {
    if (!options.class_weights.empty()) class_weights_ = at::tensor(options.class_weights, at::kDouble);
  }

  void check_batch(const CriterionBatch& batch) const override { check_has_labels(kCrossEntropyLoss, batch); }

  bool applies(const CriterionBatch& batch) const override { return any_counts(batch, options_.class_weights); }

  std::optional<double> divisor(const CriterionBatch& batch) const override {
    return sum_of_weights(batch, options_.class_weights);
  }

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    const at::Tensor& student = input.logits_student;
    if (class_weights_.defined()) {
      RETORT_CHECK_AS(
          ShapeError, class_weights_.size(0) == student.size(1), kCrossEntropyLoss,
          ": class_weights must be one for each of ", student.size(1), " classes (got ", class_weights_.size(0), ")");
      class_weights_ = class_weights_.to(student.device());  // where they stay
    }
    return unchecked_cross_entropy_loss(
        student, input.labels, if_defined(input.weights), if_defined(class_weights_), options_.label_smoothing,
        {gradient});
  }

  CrossEntropyOptions options_;
  at::Tensor class_weights_;
};

}  // namespace

at::Tensor cross_entropy_loss(
    const at::Tensor& student, const at::Tensor& labels, const at::Tensor& weight, const at::Tensor& class_weights,
    double label_smoothing) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_cross_entropy_loss)>("retort::cross_entropy_loss");
  return op.call(student, labels, if_defined(weight), if_defined(class_weights), label_smoothing);
}

std::shared_ptr<Criterion> CrossEntropyOptions::build(const FeatureShapes& shapes) const {
  kCrossEntropyOptions.check(*this);
  check_no_taps(kCrossEntropyLoss, shapes);
  const auto weights = static_cast<int64_t>(class_weights.size());
  RETORT_CHECK(
      weights == 0 || shapes.classes_student == 0 || weights == shapes.classes_student, kCrossEntropyLoss,
      ": class_weights must be one for each of ", shapes.classes_student, " classes (got ", weights, ")");
  return std::make_shared<CrossEntropyCriterion>(*this);
}

std::string CrossEntropyOptions::description() const {
  return kCrossEntropyOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kCrossEntropyOptions.schema(
          "cross_entropy_loss(Tensor student, Tensor labels, *, Tensor? weight=None, Tensor? class_weights=None, "
          "{label_smoothing}) -> Tensor",
          CrossEntropyOptions()),
      &checked_cross_entropy_loss);
  m.def(
      "_cross_entropy_forward(Tensor student, Tensor labels, Tensor? weight, Tensor? class_weights, "
      "float label_smoothing, bool[1] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
