#include <retort/losses/kd.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "losses/logits_criterion.h"
#include "losses/names.h"
#include "losses/option_list.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr auto kTargets =
    names_of<KdTarget>("kd_loss", "target", "KdTarget", "logits", "probabilities", "standardised_logits");

constexpr OptionList kKdOptions("kd_loss", [](const KdOptions& options, const auto& visit) {
  visit("temperature", options.temperature, kPositive);
  visit(kTargets, options.target);
});

/// For arguments that were checked.
/// @param gradients which to ask for, of the student and of the teacher; autograd asks by itself
LossWithGradients unchecked_kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const std::optional<at::Tensor>& weight,
    const KdOptions& options, std::array<bool, 2> gradients) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, double, const std::optional<at::Tensor>&, int64_t, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_kd_forward");
  return forward.call(student, teacher, options.temperature, weight, static_cast<int64_t>(options.target), gradients);
}

at::Tensor checked_kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, const std::optional<at::Tensor>& weight,
    c10::string_view target) {
  KdOptions options;
  options.temperature = temperature;
  options.target = kTargets.value_of(target);
  check_logits("kd_loss", student, teacher);
  kKdOptions.check(options);
  if (weight.has_value()) check_sample_weight("kd_loss", *weight, student);
  return std::get<0>(unchecked_kd_loss(student, teacher, without_gradient(weight), options, {}));
}

class KdCriterion final : public LogitsCriterion {
 public:
  explicit KdCriterion(const KdOptions& options) : options_(options) {}

  std::optional<double> temperature() const override {
    return options_.target == KdTarget::kLogits ? std::optional(options_.temperature) : std::nullopt;
  }

  std::optional<double> divisor(const CriterionBatch& batch) const override {
    return batch.weights.defined() ? std::optional(batch.weights.sum(at::kDouble).item<double>())
                                   : Criterion::divisor(batch);
  }

 private:
  LossWithGradients compute(const CriterionInput& input, bool gradient) override {
    check_logits("kd_loss", input.logits_student, input.logits_teacher);
    // The step has checked the weights, where their values are known without waiting for the device.
    return unchecked_kd_loss(
        input.logits_student, input.logits_teacher, if_defined(input.weights), options_, {gradient, false});
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
  kKdOptions.check(*this);
  check_compares_logits("kd_loss", shapes);
  return std::make_shared<KdCriterion>(*this);
}

std::string KdOptions::description() const {
  return kKdOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kKdOptions.schema(
          "kd_loss(Tensor student, Tensor teacher, {temperature}, *, Tensor? weight=None, {target}) -> Tensor",
          KdOptions()),
      &checked_kd_loss);
  m.def(
      "_kd_forward(Tensor student, Tensor teacher, float temperature, Tensor? weight, int target, bool[2] gradients) "
      "-> (Tensor, Tensor[])");
}

}  // namespace retort
