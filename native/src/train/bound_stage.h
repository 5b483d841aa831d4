#pragma once

#include <retort/losses/criterion.h>
#include <retort/models/network.h>
#include <retort/train/stage.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/module_mode.h"
#include "train/cross_entropy.h"
#include "train/optimizer.h"

namespace retort {

/// A term with what it was built into.
struct BoundTerm {
  double weight;
  Schedule schedule;
  std::shared_ptr<Criterion> criterion;
  /// Places among the student's features.
  std::vector<int64_t> student_taps;
  /// Places among the teacher's taps that terms use.
  std::vector<int64_t> teacher_taps;

  double weight_at(int64_t step) const { return weight * schedule.at(step); }
};

/// A stage with what it was built into for the networks.
struct BoundStage {
  int64_t steps;
  CrossEntropy cross_entropy;
  std::vector<BoundTerm> terms;
  /// The student's modes.
  ModulePlan modes;
  std::unique_ptr<Optimizer> optimizer;
};

/// The teacher's taps that terms of the stages use, each once, in the order of the terms.
std::vector<std::string> taps_of_teacher(const std::vector<const Stage*>& stages);

/// Builds a stage.
/// @param student has been probed
/// @param teacher has been probed, or null
/// @param teacher_taps of all stages
/// @param first_term the number of terms in the stages before
BoundStage bind_stage(
    const Stage& stage, Network& student, const Network* teacher, const std::vector<std::string>& teacher_taps,
    size_t first_term);

}  // namespace retort
