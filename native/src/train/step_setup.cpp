// What a training step is built of.
#include <ATen/Context.h>

#include <algorithm>
#include <cmath>

#include "models/network_state.h"
#include "tensor/check.h"
#include "tensor/parameters.h"
#include "train/configuration.h"
#include "train/step.h"

namespace retort {
namespace {

constexpr const char* kName = "TrainingStep";

std::vector<const Stage*> stages_of(const TrainingStepOptions& options) {
  std::vector<const Stage*> stages = {&options};
  for (const Stage& stage : options.later_stages) stages.push_back(&stage);
  return stages;
}

void check_stages(const std::vector<const Stage*>& stages) {
  for (const Stage* stage : stages) {
    const bool is_last = stage == stages.back();
    RETORT_CHECK(
        is_last ? stage->steps == 0 : stage->steps > 0, kName, ": steps of a stage must be ",
        is_last ? "0 for the last" : "positive for all but the last", " (got ", stage->steps, ")");
  }
}

void check_limit(const char* what, double limit) {
  RETORT_CHECK(
      limit >= 0 && std::isfinite(limit), kName, ": ", what, " must be positive and finite, or 0 for no limit (got ",
      limit, ")");
}

void check_formats(const TrainingStepOptions& options) {
  for (MemoryFormat format : {options.student_format, options.teacher_format}) {
    RETORT_CHECK_AS(
        ShapeError,
        format == MemoryFormat::kDefault || format == MemoryFormat::kContiguous || options.input_shape.size() == 3,
        kName, ": input shape must be [channels, height, width] for memory formats (got ",
        at::IntArrayRef(options.input_shape), ")");
  }
}

MemoryFormat resolved(MemoryFormat format, Precision precision, const TrainingStepOptions& options) {
  if (format != MemoryFormat::kDefault) return format;
  const bool is_fast = options.student->tensor_options().device().is_cpu() || precision != Precision::kFull;
  return is_fast && options.input_shape.size() == 3 ? MemoryFormat::kChannelsLast : MemoryFormat::kContiguous;
}

/// That of the options or, if there is none, what a network was trained with.
Preprocessing preprocessing_of(const TrainingStepOptions& options) {
  Preprocessing chosen = options.preprocessing;
  if (chosen.is_identity()) chosen = options.student->preprocessing();
  const Preprocessing of_teacher = options.teacher ? options.teacher->preprocessing() : Preprocessing();
  if (chosen.is_identity()) chosen = of_teacher;
  chosen.input_shape = options.input_shape;
  RETORT_CHECK(
      of_teacher.is_identity() || of_teacher.normalizes_as(chosen), kName,
      ": preprocessing must normalise as the teacher's, ", of_teacher.description(), " (got ", chosen.description(),
      ")");
  return chosen;
}

/// Checks what needs no network's shapes, after it has probed the networks, for members that need them.
TrainingStepOptions probed(TrainingStepOptions options) {
  RETORT_CHECK(options.student, kName, ": student must be given (got null)");
  RETORT_CHECK(
      options.teacher != options.student, kName, ": teacher must be another network than the student (got the same)");
  const std::string wanted = NetworkState::of(*options.student).cannot_learn();
  RETORT_CHECK(wanted.empty(), kName, ": student must be ", wanted, " (got a program of evaluation)");
  const std::vector<int64_t>& shape = options.preprocessing.input_shape;
  if (options.input_shape.empty()) options.input_shape = shape;
  RETORT_CHECK(
      shape.empty() || shape == options.input_shape, kName, ": input shape must be that of the preprocessing, ",
      at::IntArrayRef(shape), " (got ", at::IntArrayRef(options.input_shape), ")");
  options.student->probe(options.input_shape);
  if (options.teacher) options.teacher->probe(options.input_shape);
  RETORT_CHECK(options.accumulate >= 1, kName, ": accumulate must be at least 1 (got ", options.accumulate, ")");
  check_limit("limit of the gradient's norm", options.clip_norm);
  check_limit("limit of a gradient's values", options.clip_value);
  check_formats(options);
  options.student_format = resolved(options.student_format, options.student_precision, options);
  options.teacher_format = resolved(options.teacher_format, options.teacher_precision, options);
  options.preprocessing = preprocessing_of(options);
  check_stages(stages_of(options));
  const c10::Device device = options.student->tensor_options().device();
  RETORT_CHECK(
      !options.cuda_graph || device.is_cuda(), kName, ": student must be on a GPU for a CUDA graph (got ", device, ")");
  return options;
}

std::vector<BoundStage> bind_stages(const TrainingStepOptions& options, const Teacher& teacher) {
  std::vector<BoundStage> bound;
  size_t terms = 0;
  for (const Stage* stage : stages_of(options)) {
    bound.push_back(bind_stage(*stage, *options.student, options.teacher.get(), teacher.taps(), terms));
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

int64_t most_losses(const std::vector<BoundStage>& stages) {
  size_t most = 0;
  for (const BoundStage& stage : stages) most = std::max(most, stage.losses.size());
  return static_cast<int64_t>(most);
}

int64_t most_parameters(const std::vector<BoundStage>& stages) {
  size_t most = 0;
  for (const BoundStage& stage : stages) most = std::max(most, stage.optimizer->names().size());
  return static_cast<int64_t>(most);
}

/// Why a step with these options can't be a graph; empty if it may.
std::string obstacle_of(const TrainingStepOptions& options) {
  if (!options.cuda_graph) return "no graph is wanted";
  if (options.accumulate > 1) return c10::str("an update takes ", options.accumulate, " batches");
  if (options.teacher_cache.samples > 0) return "the teacher's outputs are cached";
  return {};
}

}  // namespace

TrainingStep::Impl::Impl(TrainingStepOptions options_given)
    : options(probed(std::move(options_given))),
      student_tensors(options.student->tensor_options()),
      device(student_tensors.device()),
      sample_of_student(first_floating_point(*options.student)),
      classes(options.student->classes()),
      images(kName, options.preprocessing),
      staging(device),
      teacher(options, taps_of_teacher(stages_of(options)), student_tensors),
      stages(bind_stages(options, teacher)),
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
      graph_participant([this] { graph.roll_back(); }) {}

std::vector<std::pair<std::string, Network*>> TrainingStep::Impl::networks() const {
  std::vector<std::pair<std::string, Network*>> networks = {{"student", options.student.get()}};
  if (options.teacher) networks.emplace_back("teacher", options.teacher.get());
  return networks;
}

}  // namespace retort
