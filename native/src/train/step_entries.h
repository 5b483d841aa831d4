#pragma once

#include <c10/util/StringUtil.h>
#include <retort/train/training_step.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <string>

namespace retort {

// What the entries of a step's checkpoint are called.

inline constexpr const char* kNumbersName = "numbers";
inline constexpr const char* kRandomName = "random";
inline constexpr const char* kNoteName = "note";
inline constexpr const char* kLossScaleName = "loss_scale";
inline constexpr size_t kMostNoteBytes = 1 << 20;
inline const std::string kStudentPrefix = "student.";
inline const std::string kAccumulatedPrefix = "accumulated.";
inline const std::string kAttributesPrefix = "attributes.";

/// Of the first rank's random state there is kRandomName.
inline std::string random_name(int64_t rank) {
  return c10::str(kRandomName, '.', rank);
}

/// Counters and choices. The formats of further teachers follow that of the first one.
enum Number : int64_t { kSteps, kStage, kStepsOfStage, kAccumulated, kStudentFormat, kTeacherFormats };

inline int64_t count_numbers(const TrainingStepOptions& options) {
  return kTeacherFormats + static_cast<int64_t>(options.teachers.size());
}

/// The tensors that a step changes: its state at a stage, and what it is silent about because users need not see it.
torch::OrderedDict<std::string, at::Tensor> changing(
    const TrainingStepOptions& options, torch::OrderedDict<std::string, at::Tensor> state);

}  // namespace retort
