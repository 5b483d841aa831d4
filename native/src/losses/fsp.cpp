#include <retort/losses/fsp.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "losses/sum.h"
#include "util/operators.h"

namespace retort {
namespace {

constexpr size_t kMinimumMaps = 2;

void check_channels(size_t map, int64_t student, int64_t teacher) {
  RETORT_CHECK(
      student == teacher, "fsp_loss: ", Element{"student", map}, " and ", Element{"teacher", map},
      " must have as many channels (got ", student, " and ", teacher, ")");
}

std::vector<at::Tensor> checked_fsp_loss(at::TensorList student, at::TensorList teacher) {
  using Forward = LossWithGradients(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, std::array<bool, 4>);
  static const auto forward = find_operator<Forward>("retort::_fsp_forward");
  check_maps("fsp_loss", student, teacher, kMinimumMaps);
  for (size_t i = 0; i < student.size(); ++i) check_channels(i, student[i].size(1), teacher[i].size(1));
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i + 1 < student.size(); ++i) {
    losses.push_back(std::get<0>(forward.call(student[i], student[i + 1], teacher[i], teacher[i + 1], {})));
  }
  return losses;
}

class FspCriterion final : public Criterion {
 public:
  at::Tensor forward(const CriterionInput& input) override { return sum(fsp_loss(input.student, input.teacher)); }
};

}  // namespace

std::vector<at::Tensor> fsp_loss(at::TensorList student, at::TensorList teacher) {
  static const auto op = find_operator<decltype(fsp_loss)>("retort::fsp_loss");
  return op.call(student, teacher);
}

std::shared_ptr<Criterion> FspOptions::build(const FeatureShapes& shapes) const {
  check_map_taps("fsp_loss", shapes, kMinimumMaps);
  for (size_t i = 0; i < shapes.student.size(); ++i) check_channels(i, shapes.student[i][0], shapes.teacher[i][0]);
  return std::make_shared<FspCriterion>();
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def("fsp_loss(Tensor[] student, Tensor[] teacher) -> Tensor[]", &checked_fsp_loss);
  // The loss of one pair of maps.
  m.def(
      "_fsp_forward(Tensor student_first, Tensor student_second, Tensor teacher_first, Tensor teacher_second, "
      "bool[4] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
