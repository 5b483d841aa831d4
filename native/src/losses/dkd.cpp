#include <retort/losses/dkd.h>
#include <torch/library.h>

#include <array>

#include "io/description.h"
#include "losses/checks.h"
#include "losses/logits_criterion.h"
#include "runtime/exit_gate.h"
#include "tensor/labels.h"
#include "tensor/operators.h"
#include "tensor/plain.h"

namespace retort {
namespace {

constexpr const char* kName = "dkd_loss";

void check_options(double alpha, double beta, double temperature) {
  check_not_negative(kName, "alpha", alpha);
  check_not_negative(kName, "beta", beta);
  check_positive(kName, "temperature", temperature);
}

void check_two_classes(const c10::SymInt& classes) {
  RETORT_CHECK_AS(ShapeError, classes >= 2, kName, ": student must have at least 2 classes (got ", classes, ")");
}

/// For arguments that were checked.
LossWithGradients unchecked_dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const std::optional<at::Tensor>& weight, bool standardise, std::array<bool, 2> gradients) {
  static const auto forward = find_operator<decltype(unchecked_dkd_loss)>("retort::_dkd_forward");
  return forward.call(student, teacher, labels, alpha, beta, temperature, weight, standardise, gradients);
}

at::Tensor checked_dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
    double temperature, const std::optional<at::Tensor>& weight, bool standardise) {
  check_logits(kName, student, teacher);
  check_two_classes(student.sym_size(1));
  check_labels_of(kName, labels, student);
  check_options(alpha, beta, temperature);
  if (weight.has_value()) check_sample_weight(kName, *weight, student);
  const auto constant = weight.has_value() ? std::optional<at::Tensor>(weight->detach()) : std::nullopt;
  // What could not be checked must not lead outside of a row either.
  const at::Tensor classes = has_values(labels) ? labels : labels.clamp(-1, at::Scalar(student.sym_size(1) - 1));
  return std::get<0>(
      unchecked_dkd_loss(student, teacher, classes, alpha, beta, temperature, constant, standardise, {}));
}

class DkdCriterion final : public LogitsCriterion {
 public:
  explicit DkdCriterion(const DkdOptions& options) : options_(options) {}

  void check_batch(const CriterionBatch& batch) const override {
    RETORT_CHECK_AS(ShapeError, batch.labels.defined(), kName, ": labels must be given (got an undefined tensor)");
  }

  bool applies(const CriterionBatch& batch) const override { return any_counts(batch); }

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    check_logits(kName, input.logits_student, input.logits_teacher);
    return unchecked_dkd_loss(
        input.logits_student, input.logits_teacher, input.labels, options_.alpha, options_.beta, options_.temperature,
        if_defined(input.weights), options_.standardise, {gradient, false});
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
  check_options(alpha, beta, temperature);
  check_no_taps(kName, shapes);
  if (shapes.classes_student != 0) check_two_classes(shapes.classes_student);
  return std::make_shared<DkdCriterion>(*this);
}

std::string DkdOptions::description() const {
  return describe(
      kName, {{"alpha", alpha}, {"beta", beta}, {"temperature", temperature}, {"standardise", standardise}});
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      "dkd_loss(Tensor student, Tensor teacher, Tensor labels, *, float alpha=1., float beta=8., float temperature=4., "
      "Tensor? weight=None, bool standardise=False) -> Tensor",
      &checked_dkd_loss);
  m.def(
      "_dkd_forward(Tensor student, Tensor teacher, Tensor labels, float alpha, float beta, float temperature, "
      "Tensor? weight, bool standardise, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
