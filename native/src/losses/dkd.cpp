#include <retort/losses/dkd.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "losses/logits_criterion.h"
#include "losses/option_list.h"
#include "runtime/exit_gate.h"
#include "tensor/labels.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr const char* kDkdLoss = "dkd_loss";

constexpr OptionList kDkdOptions(kDkdLoss, [](const DkdOptions& options, const auto& visit) {
  visit("alpha", options.alpha, kNotNegative);
  visit("beta", options.beta, kNotNegative);
  visit("temperature", options.temperature, kPositive);
  visit("standardise", options.standardise);
});

void check_two_classes(const c10::SymInt& classes) {
  RETORT_CHECK_AS(ShapeError, classes >= 2, kDkdLoss, ": student must have at least 2 classes (got ", classes, ")");
}

/// For arguments that were checked.
LossWithGradients unchecked_dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels,
    const std::optional<at::Tensor>& weight, const DkdOptions& options, std::array<bool, 2> gradients) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, double, double, double, const std::optional<at::Tensor>&,
      bool, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_dkd_forward");
  return forward.call(
      student, teacher, labels, options.alpha, options.beta, options.temperature, weight, options.standardise,
      gradients);
}

at::Tensor checked_dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const std::optional<at::Tensor>& weight, bool standardise) {
  DkdOptions options;
  options.alpha = alpha;
  options.beta = beta;
  options.temperature = temperature;
  options.standardise = standardise;
  check_logits(kDkdLoss, student, teacher);
  check_two_classes(student.sym_size(1));
  check_labels_of(kDkdLoss, labels, student);
  kDkdOptions.check(options);
  if (weight.has_value()) check_sample_weight(kDkdLoss, *weight, student);
  return std::get<0>(
      unchecked_dkd_loss(student, teacher, clamped_labels(labels, student), without_gradient(weight), options, {}));
}

class DkdCriterion final : public LogitsCriterion {
 public:
  explicit DkdCriterion(const DkdOptions& options) : options_(options) {}

  std::optional<double> temperature() const override {
    return options_.standardise ? std::nullopt : std::optional(options_.temperature);
  }

  void check_batch(const CriterionBatch& batch) const override { check_has_labels(kDkdLoss, batch); }

  bool applies(const CriterionBatch& batch) const override { return any_counts(batch); }

  std::optional<double> divisor(const CriterionBatch& batch) const override { return sum_of_weights(batch); }

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    check_logits(kDkdLoss, input.logits_student, input.logits_teacher);
    return unchecked_dkd_loss(
        input.logits_student, input.logits_teacher, input.labels, if_defined(input.weights), options_,
        {gradient, false});
  }

  DkdOptions options_;
};

}  // namespace

at::Tensor dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const at::Tensor& weight, bool standardise) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_dkd_loss)>("retort::dkd_loss");
  return op.call(student, teacher, labels, alpha, beta, temperature, if_defined(weight), standardise);
}

std::shared_ptr<Criterion> DkdOptions::build(const FeatureShapes& shapes) const {
  kDkdOptions.check(*this);
  check_compares_logits(kDkdLoss, shapes);
  if (shapes.classes_student != 0) check_two_classes(shapes.classes_student);
  return std::make_shared<DkdCriterion>(*this);
}

std::string DkdOptions::description() const {
  return kDkdOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kDkdOptions.schema(
          "dkd_loss(Tensor student, Tensor teacher, Tensor labels, *, {alpha}, {beta}, {temperature}, "
          "Tensor? weight=None, {standardise}) -> Tensor",
          DkdOptions()),
      &checked_dkd_loss);
  m.def(
      "_dkd_forward(Tensor student, Tensor teacher, Tensor labels, float alpha, float beta, float temperature, "
      "Tensor? weight, bool standardise, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
