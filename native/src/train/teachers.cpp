#include "train/teachers.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "tensor/check.h"

namespace retort {
namespace {

/// What comes with the batch; nothing is defined of a teacher whose outputs don't.
const NetworkOutput& given_of(const Batch& batch, size_t place) {
  static const NetworkOutput kNone;
  return place < batch.teacher_outputs.size() ? batch.teacher_outputs[place] : kNone;
}

/// The taps that terms use, of each teacher.
std::vector<std::vector<std::string>> taps_of(
    const std::vector<TeacherOptions>& teachers, const std::vector<const Stage*>& stages) {
  std::vector<std::vector<std::string>> taps(teachers.size());
  for (const Stage* stage : stages) {
    for (const Term& term : stage->terms) {
      const TeacherChoice choice = choice_of(term, teachers);
      RETORT_CHECK(
          choice.mean == TeacherMean::kNone || (term.teacher_taps.empty() && term.student_taps.empty()), "TrainingStep",
          ": teacher of a term with taps must be one (got a mean)");
      std::vector<std::string>& own = taps[choice.teachers.front()];
      for (const std::string& tap : term.teacher_taps) {
        if (std::find(own.begin(), own.end(), tap) == own.end()) own.push_back(tap);
      }
    }
  }
  return taps;
}

}  // namespace

Teachers::Teachers(
    const TrainingStepOptions& options, const std::vector<const Stage*>& stages, at::TensorOptions student) {
  std::vector<std::vector<std::string>> taps = taps_of(options.teachers, stages);
  for (size_t i = 0; i < taps.size(); ++i) {
    all_.push_back(std::make_unique<Teacher>(options.teachers[i], options.preprocessing, std::move(taps[i]), student));
  }
}

void Teachers::check(const Batch& batch, const std::vector<size_t>& used) const {
  RETORT_CHECK_AS(
      ShapeError, batch.teacher_outputs.size() <= size(),
      "TrainingStep: outputs of teachers must be at most one for each of ", size(), " (got ",
      batch.teacher_outputs.size(), ")");
  for (size_t place : used) all_[place]->check(batch, given_of(batch, place));
}

void Teachers::begin(const Batch& batch, const std::vector<size_t>& used, Transaction& transaction) {
  for (size_t place : used) all_[place]->begin(given_of(batch, place), transaction);
}

Taught Teachers::teach(
    const Batch& batch, const std::vector<size_t>& used, const std::vector<Blend>& blends, Transaction& transaction) {
  const at::NoGradGuard no_gradients;
  Taught taught;
  taught.outputs.resize(size());
  for (size_t place : used) taught.outputs[place] = all_[place]->outputs(batch, given_of(batch, place), transaction);
  for (const Blend& blend : blends) taught.blends.push_back(blended(blend, taught.outputs));
  return taught;
}

bool Teachers::has_new_outputs(const std::vector<size_t>& used) const {
  return std::any_of(used.begin(), used.end(), [this](size_t place) { return all_[place]->has_new_outputs(); });
}

void Teachers::cache_outputs(const std::vector<size_t>& used) {
  for (size_t place : used) {
    if (all_[place]->has_new_outputs()) all_[place]->cache_outputs();
  }
}

bool Teachers::have_formats(const std::vector<size_t>& used) {
  return std::all_of(
      used.begin(), used.end(), [this](size_t place) { return all_[place]->format().chosen() != MemoryFormat::kAuto; });
}

bool Teachers::are_given(const Batch& batch) {
  return std::any_of(batch.teacher_outputs.begin(), batch.teacher_outputs.end(), [](const NetworkOutput& output) {
    return output.logits.defined();
  });
}

}  // namespace retort
