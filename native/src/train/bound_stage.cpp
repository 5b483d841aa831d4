#include "train/bound_stage.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tensor/check.h"
#include "tensor/convert.h"
#include "tensor/names.h"
#include "tensor/numbers.h"
#include "train/class_name.h"
#include "train/taps.h"

namespace retort {
namespace {

/// Converts all of a criterion to float64 for a float64 student. For any other, what is in float64 becomes float32, and
/// what is in half precision stays, since that is how the criterion chose to store it.
void convert(Criterion& criterion, at::ScalarType student) {
  if (student == at::kDouble) return convert_floating_point(criterion, at::kDouble);
  replace_contents(criterion, [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kDouble ? tensor.to(at::kFloat) : tensor;
  });
}

/// @param name in error messages
/// @param part a Term or the CrossEntropyTerm
template <typename Part>
BoundLoss bind_loss(std::string name, const Part& part, std::shared_ptr<Criterion> criterion, const Network& student) {
  const at::TensorOptions tensors = student.tensor_options();
  criterion->to(tensors.device());
  convert(*criterion, c10::typeMetaToScalarType(tensors.dtype()));
  auto* of_logits = dynamic_cast<LogitsCriterion*>(criterion.get());
  auto participant = std::make_unique<CriterionParticipant>(criterion);
  return {std::move(name), part.weight, part.schedule, std::move(criterion), of_logits, std::move(participant), {}, {}};
}

BoundLoss bind_cross_entropy(const CrossEntropyTerm& term, const Network& student) {
  check_not_negative("CrossEntropyTerm", "weight", term.weight);
  term.schedule.check("CrossEntropyTerm");
  FeatureShapes shapes;
  shapes.classes_student = student.classes();
  return bind_loss("cross-entropy", term, term.options.build(shapes), student);
}

/// The number of classes of the first that is known; 0 if none is.
int64_t classes_of(const std::vector<size_t>& places, const std::vector<TeacherOptions>& teachers) {
  for (size_t place : places) {
    if (teachers[place].network) return teachers[place].network->classes();
  }
  return 0;
}

/// @param blends of the stage, to which the term adds its own unless it is there
size_t place_of_blend(
    const Term& term, const TeacherChoice& choice, const Criterion& criterion,
    const std::vector<TeacherOptions>& teachers, std::vector<Blend>& blends) {
  double temperature = 0;
  if (choice.mean == TeacherMean::kProbabilities) {
    const std::optional<double> own = criterion.temperature();
    RETORT_CHECK(
        own, kTrainingStep,
        ": mean of a loss that does not soften the teacher's logits by a temperature must be of logits (got ",
        "probabilities for ", term.criterion->description(), ")");
    temperature = *own;
  }
  Blend blend = blend_of(choice.teachers, teachers, temperature);
  const auto found = std::find(blends.begin(), blends.end(), blend);
  const auto place = static_cast<size_t>(found - blends.begin());
  if (found == blends.end()) blends.push_back(std::move(blend));
  return place;
}

BoundLoss bind_term(
    const Term& term, size_t index, const TrainingStepOptions& options, const Teachers& teachers,
    std::vector<Blend>& blends) {
  const Network& student = *options.student;
  check_not_negative(kTrainingStep, "weight of a term", term.weight);
  term.schedule.check(kTrainingStep);
  RETORT_CHECK(term.criterion, kTrainingStep, ": criterion of a term must be given (got null)");
  const TeacherChoice choice = choice_of(term, options.teachers);
  FeatureShapes shapes;
  shapes.classes_student = student.classes();
  shapes.classes_teacher = classes_of(choice.teachers, options.teachers);
  std::vector<int64_t> of_student, of_teacher;
  for (const std::string& tap : term.student_taps) {
    of_student.push_back(place_of_tap(student, "student", tap));
    shapes.student.push_back(student.tap_shape(tap));
  }
  const std::vector<std::string>& taps_of_teacher = teachers[choice.teachers.front()].taps();
  for (const std::string& tap : term.teacher_taps) {
    shapes.teacher.push_back(options.teachers[choice.teachers.front()].network->tap_shape(tap));
    of_teacher.push_back(std::find(taps_of_teacher.begin(), taps_of_teacher.end(), tap) - taps_of_teacher.begin());
  }
  BoundLoss bound = bind_loss(c10::str("loss of term ", index), term, term.criterion->build(shapes), student);
  bound.student_taps = std::move(of_student);
  bound.teacher_taps = std::move(of_teacher);
  if (choice.mean == TeacherMean::kNone) {
    bound.teacher = choice.teachers.front();
  } else {
    bound.blend = place_of_blend(term, choice, *bound.criterion, options.teachers, blends);
  }
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
        kTrainingStep, ": trained part must be a parameter of the student or a module with one (got ", name, ")");
  }
}

std::vector<std::pair<std::string, at::Tensor>> trained_parameters(
    const Stage& stage, const Network& student, const std::vector<BoundLoss>& losses, size_t first_term) {
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
  const size_t before_terms = losses.size() - stage.terms.size();
  for (size_t i = 0; i < stage.terms.size(); ++i) {
    add("terms." + std::to_string(first_term + i) + ".", *losses[before_terms + i].criterion, false);
  }
  RETORT_CHECK(!found.empty(), kTrainingStep, ": student must have a parameter that requires a gradient (got none)");
  return found;
}

}  // namespace

BoundStage bind_stage(
    const Stage& stage, const TrainingStepOptions& options, const Teachers& teachers, size_t first_term) {
  Network& student = *options.student;
  BoundLoss cross_entropy = bind_cross_entropy(stage.cross_entropy, student);
  const bool has_cross_entropy = cross_entropy.weight > 0;
  RETORT_CHECK(
      has_cross_entropy || !stage.terms.empty(), kTrainingStep, ": loss must have at least one part (got none)");
  RETORT_CHECK(stage.optimizer, kTrainingStep, ": optimizer must be given (got null)");
  check_trained(stage, student);
  std::vector<BoundLoss> losses;
  std::vector<Blend> blends;
  if (has_cross_entropy) losses.push_back(std::move(cross_entropy));
  for (size_t i = 0; i < stage.terms.size(); ++i) {
    losses.push_back(bind_term(stage.terms[i], i, options, teachers, blends));
  }
  std::set<size_t> used;
  for (const BoundLoss& loss : losses) {
    if (loss.teacher) used.insert(*loss.teacher);
  }
  for (const Blend& blend : blends) used.insert(blend.teachers.begin(), blend.teachers.end());
  ModulePlan modes(student, [&](const std::string& name, const torch::nn::Module&) { return is_trained(stage, name); });
  auto optimizer = stage.optimizer->build(trained_parameters(stage, student, losses, first_term));
  return {stage.steps,       std::move(losses), has_cross_entropy,   {used.begin(), used.end()},
          std::move(blends), std::move(modes),  std::move(optimizer)};
}

int64_t most_losses(const std::vector<BoundStage>& stages) {
  size_t most = 0;
  for (const BoundStage& stage : stages) most = std::max(most, stage.losses.size());
  return static_cast<int64_t>(most);
}

}  // namespace retort
