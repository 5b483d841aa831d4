#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <retort/train/adam.h>

#include "io/description.h"
#include "tensor/check.h"
#include "tensor/numbers.h"
#include "train/optimizer.h"

namespace retort {
namespace {

class Adam final : public Optimizer {
 public:
  Adam(const AdamOptions& options, std::vector<std::pair<std::string, at::Tensor>> parameters)
      : Optimizer(options, std::move(parameters)),
        beta1_(options.beta1),
        beta2_(options.beta2),
        epsilon_(options.epsilon),
        decoupled_(options.decoupled) {
    remember("exp_avg");
    remember("exp_avg_sq");
    remember_scalars("step", at::kFloat);
  }

 private:
  void update(const Work& work, const std::optional<at::Tensor>& failed) override {
    const Tensors& steps = work.remembered[2];
    // The kernels expect the steps counted already.
    count(steps);
    const auto run = [&](const auto& kernel, const auto& rate) {
      kernel(
          work.parameters, work.gradients, work.remembered[0], work.remembered[1], /*max_exp_avg_sqs=*/Tensors(), steps,
          rate, beta1_, beta2_, work.bucket->weight_decay, epsilon_, /*amsgrad=*/false, /*maximize=*/false,
          /*grad_scale=*/std::nullopt, failed);
    };
    if (work.rate.on_device.defined()) {
      decoupled_ ? run(at::_ops::_fused_adamw__tensor_lr::call, work.rate.on_device)
                 : run(at::_ops::_fused_adam__tensor_lr::call, work.rate.on_device);
    } else {
      decoupled_ ? run(at::_ops::_fused_adamw_::call, work.rate.value)
                 : run(at::_ops::_fused_adam_::call, work.rate.value);
    }
    if (failed) at::_foreach_sub_(steps, Tensors(steps.size(), *failed));
  }

  static void count(const Tensors& steps) {
    if (!steps.front().is_cpu()) return at::_foreach_add_(steps, 1);
    // add_() would allocate, which can fail.
    for (const at::Tensor& step : steps) *step.mutable_data_ptr<float>() += 1;
  }

  double beta1_;
  double beta2_;
  double epsilon_;
  bool decoupled_;
};

}  // namespace

std::unique_ptr<Optimizer> AdamOptions::build(std::vector<std::pair<std::string, at::Tensor>> parameters) const {
  check("Adam");
  RETORT_CHECK(beta1 >= 0 && beta1 < 1, "Adam: beta1 must be at least 0 and below 1 (got ", beta1, ")");
  RETORT_CHECK(beta2 >= 0 && beta2 < 1, "Adam: beta2 must be at least 0 and below 1 (got ", beta2, ")");
  check_positive("Adam", "epsilon", epsilon);
  return std::make_unique<Adam>(*this, std::move(parameters));
}

std::string AdamOptions::description() const {
  return describe(
      "adam", {{"options", common_description()},
               {"beta1", beta1},
               {"beta2", beta2},
               {"epsilon", epsilon},
               {"decoupled", decoupled}});
}

}  // namespace retort
