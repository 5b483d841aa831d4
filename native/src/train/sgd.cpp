#include <ATen/ops/_fused_sgd.h>
#include <retort/train/sgd.h>

#include "io/description.h"
#include "tensor/check.h"
#include "train/optimizer.h"

namespace retort {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const SgdOptions& options, std::vector<std::pair<std::string, at::Tensor>> parameters)
      : Optimizer(options, std::move(parameters)), momentum_(options.momentum), nesterov_(options.nesterov) {
    if (momentum_ > 0) remember("momentum");
  }

 private:
  void update(const Work& work, const std::optional<at::Tensor>& failed) override {
    const auto run = [&](const auto& rate) {
      at::_fused_sgd_(
          work.parameters, work.gradients, momentum_ > 0 ? work.remembered[0] : Tensors(), work.bucket->weight_decay,
          momentum_, rate, /*dampening=*/0.0, nesterov_, /*maximize=*/false, /*is_first_step=*/false,
          /*grad_scale=*/std::nullopt, failed);
    };
    work.rate.on_device.defined() ? run(work.rate.on_device) : run(work.rate.value);
  }

  double momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> SgdOptions::build(std::vector<std::pair<std::string, at::Tensor>> parameters) const {
  check("Sgd");
  RETORT_CHECK(momentum >= 0 && momentum < 1, "Sgd: momentum must be at least 0 and below 1 (got ", momentum, ")");
  RETORT_CHECK(!nesterov || momentum > 0, "Sgd: momentum must be positive for Nesterov's (got ", momentum, ")");
  return std::make_unique<Sgd>(*this, std::move(parameters));
}

std::string SgdOptions::description() const {
  return describe("sgd", {{"options", common_description()}, {"momentum", momentum}, {"nesterov", nesterov}});
}

}  // namespace retort
