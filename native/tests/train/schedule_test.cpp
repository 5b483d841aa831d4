#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/train/schedule.h>
#include <torch/optim/schedulers/step_lr.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <limits>

#include "expect.h"

namespace retort {
namespace {

using test::error_of;

constexpr double kPi = 3.14159265358979323846;
constexpr int64_t kFar = int64_t{1} << 40;
const std::vector<std::pair<double, std::string>> kNotFinite = {
    {std::numeric_limits<double>::infinity(), "inf"}, {std::numeric_limits<double>::quiet_NaN(), "nan"}};

/// The factors after 0, 1, ... steps.
void expect_factors(const Schedule& schedule, const std::vector<double>& factors) {
  for (size_t step = 0; step < factors.size(); ++step) {
    EXPECT_DOUBLE_EQ(schedule.at(static_cast<int64_t>(step)), factors[step]) << step;
  }
}

std::string error_of_check(const Schedule& schedule) {
  return error_of([&] { schedule.check("Sgd"); });
}

TEST(ScheduleTest, ConstantStays) {
  EXPECT_EQ(Schedule::constant().at(0), 1);
  EXPECT_EQ(Schedule::constant().at(kFar), 1);
  EXPECT_EQ(Schedule().at(kFar), 1);
}

TEST(ScheduleTest, StepIsTorchs) {
  const Schedule schedule = Schedule::step(3, 0.3);
  torch::optim::SGD sgd({at::zeros({1})}, torch::optim::SGDOptions(0.8));
  torch::optim::StepLR torchs(sgd, /*step_size=*/3, /*gamma=*/0.3);
  for (int64_t step = 0; step <= 9; ++step) {
    // Unlike Python's, it does not count its construction, so that its first step is the one to 0.
    torchs.step();
    EXPECT_DOUBLE_EQ(0.8 * schedule.at(step), sgd.param_groups()[0].options().get_lr()) << step;
  }
  EXPECT_EQ(schedule.at(kFar), 0);
}

TEST(ScheduleTest, MilestonesCountEach) {
  expect_factors(Schedule::at_milestones({2, 5}, 0.1), {1, 1, 0.1, 0.1, 0.1, 0.01, 0.01});
  expect_factors(Schedule::at_milestones({1, 2, 2}, 0.5), {1, 0.5, 0.125, 0.125});
  EXPECT_EQ(Schedule::at_milestones({}, 0.5).at(kFar), 1);
}

TEST(ScheduleTest, CosineGoesDownAndStays) {
  const Schedule schedule = Schedule::cosine(6, 0.2);
  for (int64_t step = 0; step <= 6; ++step) {
    EXPECT_DOUBLE_EQ(schedule.at(step), 0.2 + 0.8 * (1 + std::cos(kPi * static_cast<double>(step) / 6)) / 2) << step;
  }
  EXPECT_EQ(schedule.at(0), 1);
  EXPECT_EQ(schedule.at(6), 0.2);
  EXPECT_EQ(schedule.at(7), 0.2);
  EXPECT_EQ(schedule.at(kFar), 0.2);
  EXPECT_EQ(Schedule::cosine(6).at(6), 0);
  EXPECT_DOUBLE_EQ(Schedule::cosine(6, 3).at(3), 2) << "it may also rise";
}

TEST(ScheduleTest, WarmUpIsLinear) {
  expect_factors(Schedule::constant().with_warmup(4, 0.2), {0.2, 0.4, 0.6, 0.8, 1, 1});
  expect_factors(Schedule::constant().with_warmup(2), {0, 0.5, 1, 1});
  expect_factors(Schedule::constant().with_warmup(2, 2), {2, 1.5, 1});
  expect_factors(Schedule::step(2, 0.5).with_warmup(4, 0.2), {0.2, 0.4, 0.3, 0.4, 0.25, 0.25, 0.125});
  expect_factors(Schedule::at_milestones({1, 4}, 0.5).with_warmup(2, 0), {0, 0.25, 0.5, 0.5, 0.25});
  expect_factors(Schedule::cosine(8, 0.1).with_warmup(4, 0), {0, 0.25, 0.5, 0.75, 1});
  EXPECT_DOUBLE_EQ(Schedule::cosine(8, 0.1).with_warmup(4, 0).at(6), 0.55) << "half of what is left of the period";
  EXPECT_DOUBLE_EQ(Schedule::cosine(8, 0.1).with_warmup(4, 0).at(8), 0.1);
}

TEST(ScheduleTest, GoodOnesPass) {
  for (const Schedule& schedule :
       {Schedule::constant(), Schedule::step(1, 2), Schedule::at_milestones({}, 1), Schedule::cosine(1),
        Schedule::cosine(4).with_warmup(3), Schedule::constant().with_warmup(5, 0)}) {
    schedule.check("Sgd");
  }
}

TEST(ScheduleTest, RejectsFactors) {
  auto bad = kNotFinite;
  bad.emplace_back(0, "0");
  bad.emplace_back(-0.5, "-0.5");
  for (const auto& [factor, text] : bad) {
    const std::string error = "Sgd: factor must be positive and finite (got " + text + ")";
    EXPECT_EQ(error_of_check(Schedule::step(3, factor)), error);
    EXPECT_EQ(error_of_check(Schedule::at_milestones({3}, factor)), error);
  }
  bad = kNotFinite;
  bad.emplace_back(-0.5, "-0.5");
  for (const auto& [factor, text] : bad) {
    EXPECT_EQ(
        error_of_check(Schedule::cosine(3, factor)),
        "Sgd: final factor must be at least 0 and finite (got " + text + ")");
    EXPECT_EQ(
        error_of_check(Schedule::constant().with_warmup(2, factor)),
        "Sgd: warm-up must have steps and a finite factor of at least 0 (got 2 and " + text + ")");
  }
}

TEST(ScheduleTest, RejectsSteps) {
  EXPECT_EQ(error_of_check(Schedule::step(0, 0.5)), "Sgd: period must be positive (got 0)");
  EXPECT_EQ(error_of_check(Schedule::step(-1, 0.5)), "Sgd: period must be positive (got -1)");
  EXPECT_EQ(
      error_of_check(Schedule::at_milestones({3, 2}, 0.5)),
      "Sgd: milestones must be positive and ascending (got [3, 2])");
  EXPECT_EQ(
      error_of_check(Schedule::at_milestones({0, 2}, 0.5)),
      "Sgd: milestones must be positive and ascending (got [0, 2])");
  EXPECT_EQ(error_of_check(Schedule::cosine(0)), "Sgd: period must be above the warm-up of 0 (got 0)");
  EXPECT_EQ(error_of_check(Schedule::cosine(4).with_warmup(4)), "Sgd: period must be above the warm-up of 4 (got 4)");
  EXPECT_EQ(
      error_of_check(Schedule::constant().with_warmup(-1)),
      "Sgd: warm-up must have steps and a finite factor of at least 0 (got -1 and 0)");
}

TEST(ScheduleTest, RejectsKinds) {
  Schedule schedule;
  schedule.kind = static_cast<ScheduleKind>(7);
  EXPECT_EQ(error_of_check(schedule), "Sgd: kind must be one of ScheduleKind (got 7)");
}

}  // namespace
}  // namespace retort
