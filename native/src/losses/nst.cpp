#include <retort/losses/nst.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "losses/sum.h"
#include "util/operators.h"

namespace retort {
namespace {

constexpr size_t kMinimumMaps = 1;

c10::string_view name_of(NstKernel kernel) {
  switch (kernel) {
    case NstKernel::kLinear:
      return "linear";
    case NstKernel::kPolynomial:
      return "polynomial";
    case NstKernel::kGaussian:
      return "gaussian";
  }
  fail("nst_loss: kernel must be one of NstKernel (got ", static_cast<int>(kernel), ")");
}

void check_dead_channel_norm(double norm) {
  RETORT_CHECK(
      norm >= 0 && std::isfinite(norm), "nst_loss: dead_channel_norm must be at least 0 and finite (got ",
      std::isnan(norm) ? std::fabs(norm) : norm, ")");
}

std::vector<at::Tensor> checked_nst_loss(
    at::TensorList student, at::TensorList teacher, c10::string_view kernel, double dead_channel_norm) {
  using Forward =
      LossWithGradients(const at::Tensor&, const at::Tensor&, c10::string_view, double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_nst_forward");
  check_maps("nst_loss", student, teacher, kMinimumMaps);
  RETORT_CHECK(
      kernel == "linear" || kernel == "polynomial" || kernel == "gaussian",
      "nst_loss: kernel must be linear, polynomial or gaussian (got ", kernel, ")");
  check_dead_channel_norm(dead_channel_norm);
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < student.size(); ++i) {
    losses.push_back(std::get<0>(forward.call(student[i], teacher[i], kernel, dead_channel_norm, {})));
  }
  return losses;
}

class NstCriterion final : public Criterion {
 public:
  NstCriterion(NstKernel kernel, double dead_channel_norm) : kernel_(kernel), dead_channel_norm_(dead_channel_norm) {}

  at::Tensor forward(const CriterionInput& input) override {
    return sum(nst_loss(input.student, input.teacher, kernel_, dead_channel_norm_));
  }

 private:
  NstKernel kernel_;
  double dead_channel_norm_;
};

}  // namespace

std::vector<at::Tensor> nst_loss(
    at::TensorList student, at::TensorList teacher, NstKernel kernel, double dead_channel_norm) {
  static const auto op = find_operator<decltype(checked_nst_loss)>("retort::nst_loss");
  return op.call(student, teacher, name_of(kernel), dead_channel_norm);
}

std::shared_ptr<Criterion> NstOptions::build(const FeatureShapes& shapes) const {
  name_of(kernel);
  check_dead_channel_norm(dead_channel_norm);
  check_map_taps("nst_loss", shapes, kMinimumMaps);
  return std::make_shared<NstCriterion>(kernel, dead_channel_norm);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def(
      "nst_loss(Tensor[] student, Tensor[] teacher, str kernel, *, float dead_channel_norm=1e-06) -> Tensor[]",
      &checked_nst_loss);
  // The loss of one layer.
  m.def(
      "_nst_forward(Tensor student, Tensor teacher, str kernel, float dead_channel_norm, bool[2] gradients) "
      "-> (Tensor, Tensor[])");
}

}  // namespace retort
