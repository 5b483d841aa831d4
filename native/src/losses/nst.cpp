#include <retort/losses/nst.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "losses/names.h"
#include "losses/option_list.h"
#include "losses/sum.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr size_t kMinimumNstMaps = 1;

constexpr auto kKernels = names_of<NstKernel>("nst_loss", "kernel", "NstKernel", "linear", "polynomial", "gaussian");

/// Degrees beyond which powers of float32 are no use.
constexpr int64_t kMaxDegree = 16;

constexpr auto kDegree = [](const char* function, const char* name, int64_t value) {
  RETORT_CHECK(
      value >= 1 && value <= kMaxDegree, function, ": ", name, " must be between 1 and ", kMaxDegree, " (got ", value,
      ")");
};

constexpr OptionList kNstOptions("nst_loss", [](const NstOptions& options, const auto& visit) {
  visit(kKernels, options.kernel);
  visit("degree", options.degree, kDegree);
  visit("offset", options.offset, kNotNegative);
  visit("variance", options.variance, kPositive);
  visit("teacher_term", options.teacher_term);
  visit("dead_channel_norm", options.dead_channel_norm, kNotNegative);
});

/// For arguments that were checked: a loss for each pair of maps.
std::vector<at::Tensor> unchecked_nst_loss(at::TensorList student, at::TensorList teacher, const NstOptions& options) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, int64_t, int64_t, double, double, bool, double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_nst_forward");
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < student.size(); ++i) {
    losses.push_back(std::get<0>(forward.call(
        student[i], teacher[i], static_cast<int64_t>(options.kernel), options.degree, options.offset,
        options.variance.value_or(0.0), options.teacher_term, options.dead_channel_norm, {})));
  }
  return losses;
}

std::vector<at::Tensor> checked_nst_loss(
    at::TensorList student, at::TensorList teacher, c10::string_view kernel, int64_t degree, double offset,
    std::optional<double> variance, bool teacher_term, double dead_channel_norm) {
  check_maps("nst_loss", student, teacher, kMinimumNstMaps);
  NstOptions options(kKernels.value_of(kernel));
  options.degree = degree;
  options.offset = offset;
  options.variance = variance;
  options.teacher_term = teacher_term;
  options.dead_channel_norm = dead_channel_norm;
  kNstOptions.check(options);
  return unchecked_nst_loss(student, teacher, options);
}

class NstCriterion final : public Criterion {
 public:
  explicit NstCriterion(const NstOptions& options) : options_(options) {}

  at::Tensor forward(const CriterionInput& input) override {
    check_maps("nst_loss", input.student, input.teacher, kMinimumNstMaps);
    return sum(unchecked_nst_loss(input.student, input.teacher, options_));
  }

 private:
  NstOptions options_;
};

}  // namespace

std::vector<at::Tensor> nst_loss(at::TensorList student, at::TensorList teacher, const NstOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  static const auto op = find_operator<decltype(checked_nst_loss)>("retort::nst_loss");
  return op.call(
      student, teacher, kKernels.of(options.kernel), options.degree, options.offset, options.variance,
      options.teacher_term, options.dead_channel_norm);
}

std::shared_ptr<Criterion> NstOptions::build(const FeatureShapes& shapes) const {
  kNstOptions.check(*this);
  check_map_taps("nst_loss", shapes, kMinimumNstMaps);
  return std::make_shared<NstCriterion>(*this);
}

std::string NstOptions::description() const {
  return kNstOptions.describe(*this);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      kNstOptions.schema(
          "nst_loss(Tensor[] student, Tensor[] teacher, {kernel}, *, {degree}, {offset}, {variance}, {teacher_term}, "
          "{dead_channel_norm}) -> Tensor[]",
          NstOptions()),
      &checked_nst_loss);
  // The loss of one layer. A variance of 0 stands for the sample's own.
  m.def(
      "_nst_forward(Tensor student, Tensor teacher, int kernel, int degree, float offset, float variance, "
      "bool teacher_term, float dead_channel_norm, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
