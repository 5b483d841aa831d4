#include <retort/losses/fsp.h>
#include <torch/library.h>

#include <array>

#include "losses/checks.h"
#include "util/operators.h"

namespace retort {
namespace {

constexpr size_t kMinimumMaps = 2;

void check_channels(size_t map, int64_t student, int64_t teacher) {
  RETORT_CHECK(
      student == teacher, "fsp_loss: ", Element{"student", map}, " and ", Element{"teacher", map},
      " must have as many channels (got ", student, " and ", teacher, ")");
}

void check(at::TensorList student, at::TensorList teacher) {
  check_maps("fsp_loss", student, teacher, kMinimumMaps);
  for (size_t i = 0; i < student.size(); ++i) check_channels(i, student[i].size(1), teacher[i].size(1));
}

/// The sum of the losses of all pairs.
at::Tensor sum_of_pairs(at::TensorList student, at::TensorList teacher) {
  using Forward = LossWithGradients(at::TensorList, at::TensorList, std::array<bool, 2>);
  static const auto forward = find_operator<Forward>("retort::_fsp_forward");
  return std::get<0>(forward.call(student, teacher, {}));
}

std::vector<at::Tensor> checked_fsp_loss(at::TensorList student, at::TensorList teacher) {
  check(student, teacher);
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i + 1 < student.size(); ++i) {
    losses.push_back(sum_of_pairs(student.slice(i, 2), teacher.slice(i, 2)));
  }
  return losses;
}

class FspCriterion final : public Criterion {
 public:
  at::Tensor forward(const CriterionInput& input) override {
    check(input.student, input.teacher);
    return sum_of_pairs(input.student, input.teacher);
  }
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
  // The sum of the losses of all pairs; `gradients` of the student's maps, of the teacher's.
  m.def("_fsp_forward(Tensor[] student, Tensor[] teacher, bool[2] gradients) -> (Tensor, Tensor[])");
}

}  // namespace retort
