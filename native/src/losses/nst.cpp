#include <retort/losses/nst.h>
#include <torch/library.h>

#include <array>

#include "io/description.h"
#include "losses/checks.h"
#include "losses/names.h"
#include "losses/sum.h"
#include "runtime/exit_gate.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr size_t kMinimumMaps = 1;

constexpr auto kKernels = names_of<NstKernel>("nst_loss", "kernel", "NstKernel", "linear", "polynomial", "gaussian");

/// Degrees beyond which powers of float32 are no use.
constexpr int64_t kMaxDegree = 16;

void check_variants(int64_t degree, double offset, const std::optional<double>& variance, double dead_channel_norm) {
  RETORT_CHECK(
      degree >= 1 && degree <= kMaxDegree, "nst_loss: degree must be between 1 and ", kMaxDegree, " (got ", degree,
      ")");
  check_not_negative("nst_loss", "offset", offset);
  if (variance) check_positive("nst_loss", "variance", *variance);
  check_not_negative("nst_loss", "dead_channel_norm", dead_channel_norm);
}

/// For arguments that were checked: a loss for each pair of maps.
std::vector<at::Tensor> unchecked_nst_loss(
    at::TensorList student, at::TensorList teacher, int64_t kernel, int64_t degree, double offset,
    std::optional<double> variance, bool teacher_term, double dead_channel_norm) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, int64_t, int64_t, double, double, bool, double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_nst_forward");
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i < student.size(); ++i) {
    losses.push_back(std::get<0>(forward.call(
        student[i], teacher[i], kernel, degree, offset, variance.value_or(0.0), teacher_term, dead_channel_norm, {})));
  }
  return losses;
}

std::vector<at::Tensor> checked_nst_loss(
    at::TensorList student, at::TensorList teacher, c10::string_view kernel, int64_t degree, double offset,
    std::optional<double> variance, bool teacher_term, double dead_channel_norm) {
  check_maps("nst_loss", student, teacher, kMinimumMaps);
  const int64_t index = kKernels.index(kernel);
  check_variants(degree, offset, variance, dead_channel_norm);
  return unchecked_nst_loss(student, teacher, index, degree, offset, variance, teacher_term, dead_channel_norm);
}

class NstCriterion final : public Criterion {
 public:
  explicit NstCriterion(const NstOptions& options) : options_(options) {}

  at::Tensor forward(const CriterionInput& input) override {
    check_maps("nst_loss", input.student, input.teacher, kMinimumMaps);
    return sum(unchecked_nst_loss(
        input.student, input.teacher, static_cast<int64_t>(options_.kernel), options_.degree, options_.offset,
        options_.variance, options_.teacher_term, options_.dead_channel_norm));
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
  kKernels.of(kernel);
  check_variants(degree, offset, variance, dead_channel_norm);
  check_map_taps("nst_loss", shapes, kMinimumMaps);
  return std::make_shared<NstCriterion>(*this);
}

std::string NstOptions::description() const {
  return describe(
      "nst_loss", {{"kernel", kKernels.of(kernel)},
                   {"degree", degree},
                   {"offset", offset},
                   {"variance", variance},
                   {"teacher_term", teacher_term},
                   {"dead_channel_norm", dead_channel_norm}});
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(
      m,
      "nst_loss(Tensor[] student, Tensor[] teacher, str kernel, *, int degree=2, float offset=0., "
      "float? variance=None, bool teacher_term=True, float dead_channel_norm=1e-06) -> Tensor[]",
      &checked_nst_loss);
  // The loss of one layer. A variance of 0 stands for the sample's own.
  m.def(
      "_nst_forward(Tensor student, Tensor teacher, int kernel, int degree, float offset, float variance, "
      "bool teacher_term, float dead_channel_norm, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
