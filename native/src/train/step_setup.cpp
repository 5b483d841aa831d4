// What a training step is built of.
#include <ATen/Context.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "models/network_state.h"
#include "tensor/check.h"
#include "tensor/numbers.h"
#include "tensor/parameters.h"
#include "train/class_name.h"
#include "train/configuration.h"
#include "train/rank_descriptions.h"
#include "train/step.h"
#include "train/stored_teacher.h"

namespace retort {
namespace {

std::vector<const Stage*> stages_of(const TrainingStepOptions& options) {
  std::vector<const Stage*> stages = {&options};
  for (const Stage& stage : options.later_stages) stages.push_back(&stage);
  return stages;
}

void check_stages(const std::vector<const Stage*>& stages) {
  for (const Stage* stage : stages) {
    const bool is_last = stage == stages.back();
    RETORT_CHECK(
        is_last ? stage->steps == 0 : stage->steps > 0, kTrainingStep, ": steps of a stage must be ",
        is_last ? "0 for the last" : "positive for all but the last", " (got ", stage->steps, ")");
  }
}

void check_limit(const char* what, double limit) {
  RETORT_CHECK(
      limit >= 0 && std::isfinite(limit), kTrainingStep, ": ", what,
      " must be positive and finite, or 0 for no limit (got ", limit, ")");
}

void check_formats(const TrainingStepOptions& options) {
  const auto check = [&](MemoryFormat format) {
    RETORT_CHECK_AS(
        ShapeError,
        format == MemoryFormat::kDefault || format == MemoryFormat::kContiguous || options.input_shape.size() == 3,
        kTrainingStep, ": input shape must be [channels, height, width] for memory formats (got ",
        at::IntArrayRef(options.input_shape), ")");
  };
  check(options.student_format);
  for (const TeacherOptions& teacher : options.teachers) check(teacher.format);
}

MemoryFormat resolved(MemoryFormat format, Precision precision, const TrainingStepOptions& options) {
  if (format != MemoryFormat::kDefault) return format;
  return default_format(options.student->tensor_options().device(), precision, options.input_shape.size());
}

bool normalizes(const Preprocessing& preprocessing) {
  return !preprocessing.mean.empty() || !preprocessing.deviation.empty();
}

/// That of a teacher's options, and else what it was trained with.
Preprocessing own_preprocessing(const TeacherOptions& teacher) {
  Preprocessing own = teacher.network ? teacher.network->preprocessing() : Preprocessing();
  const Preprocessing& given = teacher.preprocessing;
  if (!given.input_shape.empty()) own.input_shape = given.input_shape;
  if (normalizes(given)) {
    own.mean = given.mean;
    own.deviation = given.deviation;
  }
  return own;
}

/// What all teachers were trained with; nothing if that differs or their options say otherwise.
Preprocessing common_preprocessing(const std::vector<TeacherOptions>& teachers) {
  std::optional<Preprocessing> common;
  for (const TeacherOptions& teacher : teachers) {
    if (!teacher.network || teacher.stored_outputs) continue;
    const Preprocessing trained = teacher.network->preprocessing();
    if (normalizes(teacher.preprocessing) || (common && !common->normalizes_as(trained))) return {};
    if (!common) common = trained;
  }
  return common.value_or(Preprocessing());
}

/// That of the options or, if there is none, what the student or else the teachers were trained with.
Preprocessing preprocessing_of(const TrainingStepOptions& options) {
  Preprocessing chosen = options.preprocessing;
  if (chosen.is_identity()) chosen = options.student->preprocessing();
  if (chosen.is_identity()) chosen = common_preprocessing(options.teachers);
  chosen.input_shape = options.input_shape;
  return chosen;
}

/// Of a teacher with all that it does not say itself.
Preprocessing preprocessing_of(const TeacherOptions& teacher, const Preprocessing& of_batches) {
  const Preprocessing own = own_preprocessing(teacher);
  Preprocessing complete = of_batches;
  if (!own.input_shape.empty() && own.input_shape != of_batches.input_shape) {
    const std::vector<int64_t>& images = of_batches.input_shape;
    const bool can_be_resized = images.size() == 3 && own.input_shape.size() == 3 && own.input_shape[0] == images[0];
    RETORT_CHECK_AS(
        ShapeError, can_be_resized, kTrainingStep, ": input shape of ", role_of(teacher), " must be ",
        images.size() == 3 ? c10::str("[", images[0], ", height, width], to which images ") : "that of the images, ",
        at::IntArrayRef(images), images.size() == 3 ? " can be resized" : "", " (got ",
        at::IntArrayRef(own.input_shape), ")");
    complete.input_shape = own.input_shape;
  }
  if (normalizes(own)) {
    complete.mean = own.mean;
    complete.deviation = own.deviation;
  }
  return complete;
}

bool is_good_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) || letter == '_' || letter == '-';
  });
}

void check_teachers(const TrainingStepOptions& options) {
  std::set<std::string> names, files;
  std::set<const Network*> networks;
  for (const TeacherOptions& teacher : options.teachers) {
    RETORT_CHECK(
        is_good_name(teacher.name), kTrainingStep, ": name of a teacher must be of letters, digits, _ and - (got ",
        teacher.name.empty() ? "nothing" : teacher.name, ")");
    RETORT_CHECK(
        names.insert(teacher.name).second, kTrainingStep, ": name of a teacher must be that of no other (got ",
        teacher.name, " twice)");
    check_not_negative(kTrainingStep, "weight of a teacher", teacher.weight);
    const std::string role = role_of(teacher);
    RETORT_CHECK(
        !teacher.network || teacher.network != options.student, kTrainingStep, ": ", role,
        " must be another network than the student (got the same)");
    RETORT_CHECK(
        !teacher.network || networks.insert(teacher.network.get()).second, kTrainingStep, ": ", role,
        " must be another network than the teachers before (got the same)");
    const std::string& file = teacher.cache.file;
    RETORT_CHECK(
        teacher.cache.samples == 0 || file.empty() || files.insert(file).second, kTrainingStep, ": cache of ", role,
        " must have a file of its own (got ", file, ")");
  }
}

/// Puts stand-ins for the networks whose outputs are stored in their place.
void adopt_stored_outputs(std::vector<TeacherOptions>& teachers) {
  for (TeacherOptions& teacher : teachers) {
    if (!teacher.stored_outputs) continue;
    RETORT_CHECK(
        !teacher.network, kTrainingStep, ": network of ", role_of(teacher),
        " must not be given with stored outputs (got both)");
    RETORT_CHECK(
        teacher.cache.samples == 0, kTrainingStep, ": cache of ", role_of(teacher),
        " must not be given with stored outputs (got one of ", teacher.cache.samples, " samples)");
    teacher.network = std::make_shared<StoredTeacher>(teacher.stored_outputs);
    teacher.preprocessing = {};
    teacher.format = MemoryFormat::kContiguous;
    teacher.precision = Precision::kFull;
    teacher.batch_norm = TeacherBatchNorm::kEvaluation;
  }
}

/// Checks what needs no network's shapes, after it has probed the networks, for members that need them.
TrainingStepOptions probed(TrainingStepOptions options) {
  RETORT_CHECK(options.student, kTrainingStep, ": student must be given (got null)");
  const std::string wanted = NetworkState::of(*options.student).cannot_learn();
  RETORT_CHECK(wanted.empty(), kTrainingStep, ": student must be ", wanted, " (got a program of evaluation)");
  // Its logits come with the batches.
  if (options.teachers.empty()) options.teachers.emplace_back();
  check_teachers(options);
  adopt_stored_outputs(options.teachers);
  const std::vector<int64_t>& shape = options.preprocessing.input_shape;
  if (options.input_shape.empty()) options.input_shape = shape;
  RETORT_CHECK(
      shape.empty() || shape == options.input_shape, kTrainingStep, ": input shape must be that of the preprocessing, ",
      at::IntArrayRef(shape), " (got ", at::IntArrayRef(options.input_shape), ")");
  options.student->probe(options.input_shape);
  RETORT_CHECK(
      options.accumulate >= 1, kTrainingStep, ": accumulate must be at least 1 (got ", options.accumulate, ")");
  check_limit("limit of the gradient's norm", options.clip_norm);
  check_limit("limit of a gradient's values", options.clip_value);
  check_formats(options);
  options.student_format = resolved(options.student_format, options.student_precision, options);
  options.preprocessing = preprocessing_of(options);
  for (TeacherOptions& teacher : options.teachers) {
    teacher.format = resolved(teacher.format, teacher.precision, options);
    teacher.preprocessing = preprocessing_of(teacher, options.preprocessing);
    if (teacher.network) teacher.network->probe(teacher.preprocessing.input_shape);
  }
  check_stages(stages_of(options));
  RETORT_CHECK(
      options.bucket_bytes >= 1, kTrainingStep, ": bucket_bytes must be at least 1 (got ", options.bucket_bytes, ")");
  const c10::Device device = options.student->tensor_options().device();
  RETORT_CHECK(
      !options.cuda_graph || device.is_cuda(), kTrainingStep, ": student must be on a GPU for a CUDA graph (got ",
      device, ")");
  return options;
}

std::vector<BoundStage> bind_stages(const TrainingStepOptions& options, const Teachers& teachers) {
  std::vector<BoundStage> bound;
  size_t terms = 0;
  for (const Stage* stage : stages_of(options)) {
    bound.push_back(bind_stage(*stage, options, teachers, terms));
    terms += stage->terms.size();
  }
  return bound;
}

/// Of the terms of all stages.
std::vector<std::shared_ptr<Criterion>> criteria_of(const std::vector<BoundStage>& stages) {
  std::vector<std::shared_ptr<Criterion>> criteria;
  for (const BoundStage& stage : stages) {
    for (const BoundLoss& term : stage.terms()) criteria.push_back(term.criterion);
  }
  return criteria;
}

int64_t most_parameters(const std::vector<BoundStage>& stages) {
  size_t most = 0;
  for (const BoundStage& stage : stages) most = std::max(most, stage.optimizer->names().size());
  return static_cast<int64_t>(most);
}

/// For Impl::mutexes_of_networks.
std::vector<std::mutex*> mutexes_of(const TrainingStepOptions& options) {
  std::vector<std::mutex*> mutexes = {&options.student->mutex()};
  for (const TeacherOptions& teacher : options.teachers) {
    if (teacher.network) mutexes.push_back(&teacher.network->mutex());
  }
  std::sort(mutexes.begin(), mutexes.end(), std::less<>());
  return mutexes;
}

/// Why a step with these options can't be a graph; empty if it may.
std::string obstacle_of(const TrainingStepOptions& options) {
  if (!options.cuda_graph) return "no graph is wanted";
  if (options.ranks) return "there are several ranks";
  if (options.accumulate > 1) return c10::str("an update takes ", options.accumulate, " batches");
  for (const TeacherOptions& teacher : options.teachers) {
    if (teacher.cache.samples > 0) return c10::str("the ", role_of(teacher), "'s outputs are cached");
    if (teacher.stored_outputs) return c10::str("the ", role_of(teacher), "'s outputs are stored");
  }
  return {};
}

}  // namespace

TrainingStep::Impl::Impl(TrainingStepOptions options_given, const PlaceAmongRanks& place)
    : options(probed(std::move(options_given))),
      student_tensors(options.student->tensor_options()),
      device(student_tensors.device()),
      sample_of_student(first_floating_point(*options.student)),
      classes(options.student->classes()),
      images(kTrainingStep, options.preprocessing),
      staging(device),
      teachers(options, stages_of(options), student_tensors),
      stages(bind_stages(options, teachers)),
      configuration(configuration_of(options)),
      given(device, count_given(most_losses(stages))),
      found(device, most_losses(stages) + most_parameters(stages)),
      graph(device, obstacle_of(options)),
      order(device),
      criteria(criteria_of(stages)),
      loss_scale(options.student_precision == Precision::kFloat16),
      student_format(options.student_format),
      student_participant(*options.student),
      random_participant(at::globalContext().defaultGenerator(device)),
      graph_participant([this] { graph.roll_back(); }),
      mutexes_of_networks(mutexes_of(options)) {
  if (!options.ranks) return;
  std::vector<torch::OrderedDict<std::string, at::Tensor>> states;
  for (size_t i = 0; i < stages.size(); ++i) states.push_back(state(static_cast<int64_t>(i)));
  ranks = std::make_unique<StepRanks>(
      place, options, descriptions_for_ranks(options, configuration, stages, states), stages);
  together([&] {
    for (const auto& shared : states) ranks->share(shared);
  });
}

std::vector<std::pair<std::string, Network*>> TrainingStep::Impl::networks() const {
  std::vector<std::pair<std::string, Network*>> networks = {{"student", options.student.get()}};
  for (const TeacherOptions& teacher : options.teachers) {
    if (teacher.network) networks.emplace_back(key_of(teacher), teacher.network.get());
  }
  return networks;
}

}  // namespace retort
