#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>
#include <vector>

namespace retort {

/// The shape of a Schedule.
enum class ScheduleKind {
  /// 1
  kConstant,
  /// factor ^ floor(step / period), as in torch.optim.lr_scheduler.StepLR.
  kStep,
  /// factor ^ (number of milestones <= step), as in MultiStepLR.
  kMilestones,
  /// From 1 to final_factor, as in CosineAnnealingLR: final_factor + (1 - final_factor) * (1 + cos(pi * p)) / 2, where
  /// p goes from 0 at the end of the warm-up to 1 at step `period`, and stays there.
  kCosine,
};

/// A factor of a learning rate or of a loss weight, as a function of the step:
///
///   at(step) = kind(step) * (step < warmup ? warmup_factor + (1 - warmup_factor) * step / warmup : 1)
///
/// The warm-up is that of torch.optim.lr_scheduler.LinearLR. A step is a completed update of the parameters; steps are
/// counted from the start of the stage.
struct RETORT_API Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  /// The factor of kStep and kMilestones, > 0.
  double factor = 0.1;
  /// Steps between two changes of kStep, or the total length of kCosine, including the warm-up; > 0 for both.
  int64_t period = 0;
  /// The milestones of kMilestones, positive and ascending.
  std::vector<int64_t> milestones;
  /// The final factor of kCosine, >= 0.
  double final_factor = 0.0;
  /// Length of the linear warm-up, 0 for none; less than the period of kCosine.
  int64_t warmup = 0;
  /// The factor at the start of the warm-up, >= 0.
  double warmup_factor = 0.0;

  static Schedule constant();
  static Schedule step(int64_t period, double factor);
  static Schedule at_milestones(std::vector<int64_t> milestones, double factor);
  static Schedule cosine(int64_t period, double final_factor = 0.0);
  /// Returns a copy with a linear warm-up.
  Schedule with_warmup(int64_t steps, double factor = 0.0) const;

  /// Returns the factor after a number of completed steps.
  double at(int64_t step) const;

  /// Checks that the fields are in range.
  /// @param function the caller's name, for error messages
  /// @throws c10::ValueError if a field is out of range
  void check(const std::string& function) const;

  /// Returns the schedule in one line, for checkpoints.
  std::string description() const;
};

}  // namespace retort
