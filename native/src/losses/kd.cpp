#include <ATen/core/dispatch/Dispatcher.h>
#include <retort/losses/kd.h>
#include <torch/library.h>

#include <cmath>
#include <tuple>

#include "losses/checks.h"
#include "util/check.h"

namespace retort {
namespace {

void check_temperature(const char* function, double temperature) {
  RETORT_CHECK(
      temperature > 0 && std::isfinite(temperature), function, ": temperature must be positive and finite (got ",
      temperature, ")");
}

at::Tensor checked_kd_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  using Forward =
      std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&, double, bool, bool);
  static const auto forward =
      c10::Dispatcher::singleton().findSchemaOrThrow("retort::_kd_forward", "").typed<Forward>();
  check_floating("kd_loss", "student", student);
  check_floating("kd_loss", "teacher", teacher);
  RETORT_CHECK(student.dim() == 2, "kd_loss: student must be of shape [batch, classes] (got ", student.sizes(), ")");
  RETORT_CHECK(student.numel() > 0, "kd_loss: student must not be empty (got ", student.sizes(), ")");
  check_alike("kd_loss", student, teacher);
  check_temperature("kd_loss", temperature);
  return std::get<0>(forward.call(student, teacher, temperature, false, false));
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
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("retort::kd_loss", "").typed<decltype(kd_loss)>();
  return op.call(student, teacher, temperature);
}

std::shared_ptr<Criterion> KdOptions::build(const FeatureShapes& shapes) const {
  check_temperature("kd_loss", temperature);
  RETORT_CHECK(
      shapes.student.empty() && shapes.teacher.empty(), "kd_loss: taps must be empty (got ",
      shapes.student.size() + shapes.teacher.size(), " taps)");
  return std::make_shared<KdCriterion>(temperature);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def("kd_loss(Tensor student, Tensor teacher, float temperature) -> Tensor", &checked_kd_loss);
  // The flags ask for the gradients that are computed with the loss; what is not asked for is undefined.
  m.def(
      "_kd_forward(Tensor student, Tensor teacher, float temperature, bool student_gradient, bool teacher_gradient) "
      "-> (Tensor, Tensor, Tensor)");
}

}  // namespace retort
