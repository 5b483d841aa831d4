// Attention transfer, a criterion of your own: Zagoruyko, Komodakis: Paying More Attention to Attention, ICLR 2017.
#include <ATen/Functions.h>
#include <retort/losses/registry.h>

namespace {

/// Where a map [B, C, H, W] is strong, as unit vectors [B, height * width].
at::Tensor attention(const at::Tensor& map, at::IntArrayRef size, double power) {
  const at::Tensor strength = at::adaptive_avg_pool2d(map, size).abs().pow(power).mean(1).flatten(1);
  return strength / strength.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

class AttentionTransfer final : public retort::Criterion {
 public:
  explicit AttentionTransfer(double power) : power_(power) {}

  at::Tensor forward(const retort::CriterionInput& input) override {
    at::Tensor loss = at::zeros({}, input.logits_student.options());
    for (size_t i = 0; i < input.student.size(); ++i) {
      const at::IntArrayRef size = input.teacher[i].sizes().slice(2);
      loss = loss +
             (attention(input.student[i], size, power_) - attention(input.teacher[i], size, power_)).square().mean();
    }
    return loss;
  }

 private:
  double power_;
};

struct AttentionTransferOptions : retort::CriterionOptions {
  double power = 2;

  void read(retort::OptionReader& options) { options.read("power", power); }

  std::shared_ptr<retort::Criterion> build(const retort::FeatureShapes& shapes) const override {
    TORCH_CHECK_VALUE(power > 0, "attention_transfer: power must be positive (got ", power, ")");
    TORCH_CHECK_VALUE(
        !shapes.student.empty() && shapes.student.size() == shapes.teacher.size(),
        "attention_transfer: taps must be one or more pairs (got ", shapes.student.size(), " and ",
        shapes.teacher.size(), ")");
    return std::make_shared<AttentionTransfer>(power);
  }
};

}  // namespace

RETORT_REGISTER_CRITERION("attention_transfer", AttentionTransferOptions);
