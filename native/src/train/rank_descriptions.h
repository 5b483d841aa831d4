#pragma once

#include <retort/train/training_step.h>
#include <torch/ordered_dict.h>

#include <string>
#include <vector>

#include "train/bound_stage.h"

namespace retort {

/// What must be the same on all ranks, in lines as a configuration has them; first what users choose, since it says
/// most about a difference.
/// @param states of each stage
std::vector<std::string> descriptions_for_ranks(
    const TrainingStepOptions& options, const std::string& configuration, const std::vector<BoundStage>& stages,
    const std::vector<torch::OrderedDict<std::string, at::Tensor>>& states);

}  // namespace retort
