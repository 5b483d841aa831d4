#pragma once

#include <c10/util/ArrayRef.h>
#include <retort/losses/criterion.h>
#include <retort/models/network.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "losses/logits_criterion.h"
#include "models/module_mode.h"
#include "train/optimizer.h"
#include "train/participants.h"
#include "train/teacher_choice.h"
#include "train/teachers.h"

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
  /// Places among the taps of its teacher that terms use.
  std::vector<int64_t> teacher_taps;
  /// The place of its teacher, or that of its mean among those of the stage; neither for the cross-entropy.
  std::optional<size_t> teacher = std::nullopt;
  std::optional<size_t> blend = std::nullopt;

  double weight_at(int64_t step) const { return weight * schedule.at(step); }
};

/// A stage with what it was built into for the networks.
struct BoundStage {
  int64_t steps;
  /// The cross-entropy, unless its weight is 0, then the terms.
  std::vector<BoundLoss> losses;
  bool has_cross_entropy;
  /// The places of the teachers that terms learn from, ascending.
  std::vector<size_t> teachers;
  /// The means that terms learn from.
  std::vector<Blend> blends;
  /// The student's modes.
  ModulePlan modes;
  std::unique_ptr<Optimizer> optimizer;

  /// The losses but for the cross-entropy, for which teachers' outputs are needed.
  c10::ArrayRef<BoundLoss> terms() const { return c10::ArrayRef<BoundLoss>(losses).slice(has_cross_entropy ? 1 : 0); }
};

/// Builds a stage.
/// @param options with the student and the teachers' networks, which have been probed
/// @param teachers those of the options
/// @param first_term the number of terms in the stages before
BoundStage bind_stage(
    const Stage& stage, const TrainingStepOptions& options, const Teachers& teachers, size_t first_term);

/// How many losses the stage with the most of them has.
int64_t most_losses(const std::vector<BoundStage>& stages);

}  // namespace retort
