#include <c10/util/ArrayRef.h>
#include <retort/train/schedule.h>

#include <algorithm>
#include <cmath>

#include "io/description.h"
#include "tensor/check.h"
#include "tensor/numbers.h"

namespace retort {
namespace {

constexpr double kPi = 3.14159265358979323846;

}  // namespace

Schedule Schedule::constant() {
  return {};
}

Schedule Schedule::step(int64_t period, double factor) {
  Schedule schedule;
  schedule.kind = ScheduleKind::kStep;
  schedule.period = period;
  schedule.factor = factor;
  return schedule;
}

Schedule Schedule::at_milestones(std::vector<int64_t> milestones, double factor) {
  Schedule schedule;
  schedule.kind = ScheduleKind::kMilestones;
  schedule.milestones = std::move(milestones);
  schedule.factor = factor;
  return schedule;
}

Schedule Schedule::cosine(int64_t period, double final_factor) {
  Schedule schedule;
  schedule.kind = ScheduleKind::kCosine;
  schedule.period = period;
  schedule.final_factor = final_factor;
  return schedule;
}

Schedule Schedule::with_warmup(int64_t steps, double from) const {
  Schedule schedule = *this;
  schedule.warmup = steps;
  schedule.warmup_factor = from;
  return schedule;
}

double Schedule::at(int64_t step) const {
  const auto ratio = [](int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  const double ramp = step < warmup ? warmup_factor + (1 - warmup_factor) * ratio(step, warmup) : 1.0;
  switch (kind) {
    case ScheduleKind::kConstant:
      return ramp;
    case ScheduleKind::kStep:
      return ramp * std::pow(factor, static_cast<double>(step / period));
    case ScheduleKind::kMilestones: {
      const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
      return ramp * std::pow(factor, static_cast<double>(passed));
    }
    case ScheduleKind::kCosine: {
      const double progress = std::clamp(ratio(step - warmup, period - warmup), 0.0, 1.0);
      return ramp * (final_factor + (1 - final_factor) * (1 + std::cos(kPi * progress)) / 2);
    }
  }
  return ramp;
}

void Schedule::check(const std::string& function) const {
  RETORT_CHECK(
      warmup >= 0 && warmup_factor >= 0 && std::isfinite(warmup_factor), function,
      ": warm-up must have steps and a finite factor of at least 0 (got ", warmup, " and ", warmup_factor, ")");
  switch (kind) {
    case ScheduleKind::kConstant:
      return;
    case ScheduleKind::kStep:
      check_positive(function, "factor", factor);
      RETORT_CHECK(period > 0, function, ": period must be positive (got ", period, ")");
      return;
    case ScheduleKind::kMilestones:
      check_positive(function, "factor", factor);
      RETORT_CHECK(
          std::is_sorted(milestones.begin(), milestones.end()) && (milestones.empty() || milestones[0] > 0), function,
          ": milestones must be positive and ascending (got ", at::IntArrayRef(milestones), ")");
      return;
    case ScheduleKind::kCosine:
      RETORT_CHECK(period > warmup, function, ": period must be above the warm-up of ", warmup, " (got ", period, ")");
      check_not_negative(function, "final factor", final_factor);
      return;
  }
  fail(function, ": kind must be one of ScheduleKind (got ", static_cast<int>(kind), ")");
}

std::string Schedule::description() const {
  return describe(
      "schedule", {{"kind", static_cast<int64_t>(kind)},
                   {"factor", factor},
                   {"period", period},
                   {"milestones", milestones},
                   {"final_factor", final_factor},
                   {"warmup", warmup},
                   {"warmup_factor", warmup_factor}});
}

}  // namespace retort
