#include "train/bound_stage.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tensor/check.h"
#include "tensor/convert.h"
#include "tensor/names.h"
#include "tensor/numbers.h"

namespace retort {
namespace {

constexpr const char* kName = "TrainingStep";

BoundTerm bind_term(
    const Term& term, const Network& student, const Network* teacher, const std::vector<std::string>& teacher_taps) {
  check_not_negative(kName, "weight of a term", term.weight);
  term.schedule.check(kName);
  RETORT_CHECK(term.criterion, kName, ": criterion of a term must be given (got null)");
  FeatureShapes shapes;
  shapes.classes_student = student.classes();
  shapes.classes_teacher = teacher ? teacher->classes() : 0;
  BoundTerm bound{term.weight, term.schedule, nullptr, {}, {}};
  for (const std::string& tap : term.student_taps) {
    shapes.student.push_back(student.tap_shape(tap));
    bound.student_taps.push_back(student.tap_index(tap));
  }
  for (const std::string& tap : term.teacher_taps) {
    shapes.teacher.push_back(teacher->tap_shape(tap));
    bound.teacher_taps.push_back(std::find(teacher_taps.begin(), teacher_taps.end(), tap) - teacher_taps.begin());
  }
  bound.criterion = term.criterion->build(shapes);
  const at::TensorOptions tensors = student.tensor_options();
  bound.criterion->to(tensors.device());
  convert_floating_point(*bound.criterion, tensors.dtype() == at::kDouble ? at::kDouble : at::kFloat);
  return bound;
}

/// Whether a parameter or module of the student is trained.
bool is_trained(const Stage& stage, const std::string& name) {
  return stage.trained.empty() || is_among(name, stage.trained);
}

void check_trained(const Stage& stage, const Network& student) {
  const auto parameters = student.named_parameters();
  for (const std::string& name : stage.trained) {
    RETORT_CHECK(
        std::any_of(
            parameters.begin(), parameters.end(), [&](const auto& entry) { return is_part_of(entry.key(), name); }),
        kName, ": trained part must be a parameter of the student or a module with one (got ", name, ")");
  }
}

std::vector<std::pair<std::string, at::Tensor>> trained_parameters(
    const Stage& stage, const Network& student, const std::vector<BoundTerm>& terms, size_t first_term) {
  std::vector<std::pair<std::string, at::Tensor>> found;
  std::set<const at::TensorImpl*> seen;  // a parameter may be shared under several names
  const auto add = [&](const std::string& prefix, const torch::nn::Module& module, bool is_student) {
    for (const auto& entry : module.named_parameters()) {
      const at::Tensor& parameter = entry.value();
      if (is_student && !is_trained(stage, entry.key())) continue;
      if (!parameter.requires_grad() || !seen.insert(parameter.unsafeGetTensorImpl()).second) continue;
      found.emplace_back(prefix + entry.key(), parameter);
    }
  };
  add("student.", student, true);
  for (size_t i = 0; i < terms.size(); ++i) {
    add("terms." + std::to_string(first_term + i) + ".", *terms[i].criterion, false);
  }
  RETORT_CHECK(!found.empty(), kName, ": student must have a parameter that requires a gradient (got none)");
  return found;
}

}  // namespace

std::vector<std::string> taps_of_teacher(const std::vector<const Stage*>& stages) {
  std::vector<std::string> taps;
  for (const Stage* stage : stages) {
    for (const Term& term : stage->terms) {
      for (const std::string& tap : term.teacher_taps) {
        if (std::find(taps.begin(), taps.end(), tap) == taps.end()) taps.push_back(tap);
      }
    }
  }
  return taps;
}

BoundStage bind_stage(
    const Stage& stage, Network& student, const Network* teacher, const std::vector<std::string>& teacher_taps,
    size_t first_term) {
  CrossEntropy cross_entropy(stage.cross_entropy, student.classes());
  RETORT_CHECK(
      cross_entropy.needs_labels() || !stage.terms.empty(), kName, ": loss must have at least one part (got none)");
  RETORT_CHECK(stage.optimizer, kName, ": optimizer must be given (got null)");
  check_trained(stage, student);
  std::vector<BoundTerm> terms;
  for (const Term& term : stage.terms) terms.push_back(bind_term(term, student, teacher, teacher_taps));
  ModulePlan modes(student, [&](const std::string& name, const torch::nn::Module&) { return is_trained(stage, name); });
  auto optimizer = stage.optimizer->build(trained_parameters(stage, student, terms, first_term));
  return {stage.steps, std::move(cross_entropy), std::move(terms), std::move(modes), std::move(optimizer)};
}

}  // namespace retort
