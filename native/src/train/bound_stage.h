#pragma once

#include <c10/util/ArrayRef.h>
#include <retort/losses/criterion.h>
#include <retort/models/network.h>
#include <retort/train/stage.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "losses/logits_criterion.h"
#include "models/module_mode.h"
#include "train/optimizer.h"
#include "train/participants.h"

namespace retort {

/// A loss of a stage with what it was built into.
struct BoundLoss {
  /// For error messages, e.g. "loss of term 1".
  std::string name;
  double weight;
  Schedule schedule;
  std::shared_ptr<Criterion> criterion;
  /// The same, if it is one; else null.
  LogitsCriterion* of_logits;
  /// The part that the criterion takes in a step's transaction.
  std::unique_ptr<CriterionParticipant> participant;
  /// Places among the student's features.
  std::vector<int64_t> student_taps;
  /// Places among the teacher's taps that terms use.
  std::vector<int64_t> teacher_taps;

  double weight_at(int64_t step) const { return weight * schedule.at(step); }
};

/// A stage with what it was built into for the networks.
struct BoundStage {
  int64_t steps;
  /// The cross-entropy, unless its weight is 0, then the terms.
  std::vector<BoundLoss> losses;
  bool has_cross_entropy;
  /// The student's modes.
  ModulePlan modes;
  std::unique_ptr<Optimizer> optimizer;

  /// The losses but for the cross-entropy, for which the teacher's outputs are needed.
  c10::ArrayRef<BoundLoss> terms() const { return c10::ArrayRef<BoundLoss>(losses).slice(has_cross_entropy ? 1 : 0); }
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
