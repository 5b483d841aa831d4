#include <ATen/ops/isfinite.h>
#include <retort/losses/kd.h>
#include <torch/library.h>

#include <array>

#include "io/description.h"
#include "losses/checks.h"
#include "losses/logits_criterion.h"
#include "losses/names.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"
#include "tensor/operators.h"
#include "tensor/plain.h"

namespace retort {
namespace {

constexpr auto kTargets = names_of<KdTarget>("kd_loss", "target", "KdTarget", "logits", "probabilities");

void check_weight(const at::Tensor& weight, const at::Tensor& student) {
  RETORT_CHECK_AS(
      ShapeError, weight.defined() && weight.dim() == 1 && weight.sym_size(0) == student.sym_size(0),
      "kd_loss: weight must be of shape [", student.sym_size(0), "] (got ",
      weight.defined() ? c10::str(weight.sym_sizes()) : "an undefined tensor", ")");
  RETORT_CHECK_AS(ShapeError, !weight.is_complex(), "kd_loss: weight must be real (got ", weight.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, weight.layout() == at::kStrided, "kd_loss: weight must be dense (got ", weight.layout(), ")");
  RETORT_CHECK_AS(
      ShapeError, weight.device() == student.device(), "kd_loss: student and weight must be on the same device (got ",
      student.device(), " and ", weight.device(), ")");
  if (!has_values(weight)) return;
  const at::Tensor weights = weight.to(at::kDouble);
  const at::Tensor wrong = weights.masked_select(at::isfinite(weights).logical_and(weights.ge(0)).logical_not());
  RETORT_CHECK(wrong.numel() == 0, "kd_loss: weight must be at least 0 and finite (got ", wrong[0].item<double>(), ")");
}

void check_all_but_weight(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  check_floating("kd_loss", "student", student);
  check_floating("kd_loss", "teacher", teacher);
  RETORT_CHECK_AS(
      ShapeError, student.dim() == 2, "kd_loss: student must be of shape [batch, classes] (got ", student.sym_sizes(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, student.sym_numel() > 0, "kd_loss: student must not be empty (got ", student.sym_sizes(), ")");
  check_alike("kd_loss", student, teacher);
  check_positive("kd_loss", "temperature", temperature);
}

/// For arguments that were checked.
/// @param gradients which to ask for, of the student and of the teacher; autograd asks by itself
LossWithGradients unchecked_kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    int64_t target, std::array<bool, 2> gradients) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, double, const std::optional<at::Tensor>&, int64_t, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_kd_forward");
  const auto constant = weight.has_value() ? std::optional<at::Tensor>(weight->detach()) : std::nullopt;
  return forward.call(student, teacher, temperature, constant, target, gradients);
}

at::Tensor checked_kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    c10::string_view target) {
  check_all_but_weight(student, teacher, temperature);
  if (weight.has_value()) check_weight(*weight, student);
  return std::get<0>(unchecked_kd_loss(student, teacher, temperature, weight, kTargets.index(target), {}));
}

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

class KdCriterion final : public LogitsCriterion {
 public:
  explicit KdCriterion(const KdOptions& options) : options_(options) {}

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    check_all_but_weight(input.logits_student, input.logits_teacher, options_.temperature);
    // The step has checked the weights, where their values are known without waiting for the device.
    return unchecked_kd_loss(
        input.logits_student, input.logits_teacher, options_.temperature, if_defined(input.weights),
        static_cast<int64_t>(options_.target), {gradient, false});
  }

  KdOptions options_;
};

}  // namespace

at::Tensor kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const at::Tensor& weight,
    KdTarget target) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_kd_loss)>("retort::kd_loss");
  return op.call(student, teacher, temperature, if_defined(weight), kTargets.of(target));
}

std::shared_ptr<Criterion> KdOptions::build(const FeatureShapes& shapes) const {
  check_positive("kd_loss", "temperature", temperature);
  kTargets.of(target);
  RETORT_CHECK(
      shapes.student.empty() && shapes.teacher.empty(), "kd_loss: taps must be empty (got ",
      shapes.student.size() + shapes.teacher.size(), " taps)");
  RETORT_CHECK_AS(
      ShapeError,
      shapes.classes_student == shapes.classes_teacher || shapes.classes_student == 0 || shapes.classes_teacher == 0,
      "kd_loss: student and teacher must have the same number of classes (got ", shapes.classes_student, " and ",
      shapes.classes_teacher, ")");
  return std::make_shared<KdCriterion>(*this);
}

std::string KdOptions::description() const {
  return describe("kd_loss", {{"temperature", temperature}, {"target", kTargets.of(target)}});
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      "kd_loss(Tensor student, Tensor teacher, float temperature, *, Tensor? weight=None, str target=\"logits\") "
      "-> Tensor",
      &checked_kd_loss);
  m.def(
      "_kd_forward(Tensor student, Tensor teacher, float temperature, Tensor? weight, int target, bool[2] gradients) "
      "-> (Tensor, Tensor[])");
}

}  // namespace retort
