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

namespace retort {
namespace {

constexpr auto kTargets =
    names_of<KdTarget>("kd_loss", "target", "KdTarget", "logits", "probabilities", "standardised_logits");

void check(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  check_logits("kd_loss", student, teacher);
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
  const int64_t index = kTargets.index(target);
  check(student, teacher, temperature);
  if (weight.has_value()) check_sample_weight("kd_loss", *weight, student);
  return std::get<0>(unchecked_kd_loss(student, teacher, temperature, weight, index, {}));
}

class KdCriterion final : public LogitsCriterion {
 public:
  explicit KdCriterion(const KdOptions& options) : options_(options) {}

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    const auto target = static_cast<int64_t>(options_.target);
    check(input.logits_student, input.logits_teacher, options_.temperature);
    // The step has checked the weights, where their values are known without waiting for the device.
    return unchecked_kd_loss(
        input.logits_student, input.logits_teacher, options_.temperature, if_defined(input.weights), target,
        {gradient, false});
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
  check_no_taps("kd_loss", shapes);
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
