#include <retort/losses/kd.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "util/check.h"
#include "util/operators.h"

namespace retort {
namespace {

at::Tensor checked_kd_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  using Forward = LossWithGradients(const at::Tensor&, const at::Tensor&, double, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_kd_forward");
  check_floating("kd_loss", "student", student);
  check_floating("kd_loss", "teacher", teacher);
  RETORT_CHECK(student.dim() == 2, "kd_loss: student must be of shape [batch, classes] (got ", student.sizes(), ")");
  RETORT_CHECK(student.numel() > 0, "kd_loss: student must not be empty (got ", student.sizes(), ")");
  check_alike("kd_loss", student, teacher);
  check_positive("kd_loss", "temperature", temperature);
  return std::get<0>(forward.call(student, teacher, temperature, {}));
}

class KdCriterion final : public Criterion {
 public:
  explicit KdCriterion(double temperature) : temperature_(temperature) {}

  at::Tensor forward(const CriterionInput& input) override {
    return kd_loss(input.logits_student, input.logits_teacher, temperature_);
  }

 private:
  double temperature_;
};

}  // namespace

at::Tensor kd_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  static const auto op = find_operator<decltype(kd_loss)>("retort::kd_loss");
  return op.call(student, teacher, temperature);
}

std::shared_ptr<Criterion> KdOptions::build(const FeatureShapes& shapes) const {
  check_positive("kd_loss", "temperature", temperature);
  RETORT_CHECK(
      shapes.student.empty() && shapes.teacher.empty(), "kd_loss: taps must be empty (got ",
      shapes.student.size() + shapes.teacher.size(), " taps)");
  return std::make_shared<KdCriterion>(temperature);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def("kd_loss(Tensor student, Tensor teacher, float temperature) -> Tensor", &checked_kd_loss);
  // The flags ask for the gradients that are computed with the loss; what is not asked for is undefined.
  m.def("_kd_forward(Tensor student, Tensor teacher, float temperature, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
