#pragma once

namespace retort {

/// What errors of the step begin with.
inline constexpr const char* kTrainingStep = "TrainingStep";

}  // namespace retort
