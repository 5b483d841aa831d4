// A step of several ranks that fails on one of them fails on all, and changes nothing on any.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/train/training_step.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "expect.h"
#include "rank_rig.h"
#include "temporary_folder.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

using Change = StepRig::Change;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void throw_no() {
  throw std::runtime_error("no");
}

/// One way to make a step fail on a rank.
struct Failure {
  std::string name;
  std::string text;
  std::function<void(StepRig& rig, Batch& batch)> cause;
  /// Whether the numbers of the whole batch are to blame, which all ranks find by themselves.
  bool is_of_all = false;
};

struct Variant {
  std::string name;
  Change change = [](TrainingStepOptions& /*options*/) {};
  /// Steps before the one that fails.
  int64_t before = 1;
};

struct Place {
  int64_t ranks;
  std::vector<int64_t> failing;
};

std::ostream& operator<<(std::ostream& out, const Failure& failure) {
  return out << failure.name;
}

std::ostream& operator<<(std::ostream& out, const Variant& variant) {
  return out << variant.name;
}

std::ostream& operator<<(std::ostream& out, const Place& place) {
  return out << place.ranks << " ranks";
}

using Parameters = std::tuple<Place, Variant, Failure>;

std::vector<Failure> failures() {
  return {
      {"Label", "TrainingStep: labels must be between -1 and 4 (got 5 at 1)",
       [](StepRig&, Batch& batch) {
         batch.labels = at::tensor({0, 5, 2}, at::kLong);
       }},
      {"Shape", "TrainingStep: images must be of shape [batch, 3, 6, 6] (got [3, 3, 6, 5])",
       [](StepRig&, Batch& batch) { batch.images = batch.images.slice(3, 1); }},
      {"CheckOfACriterion", "no",
       [](StepRig& rig, Batch&) {
         rig.second->when_told = [](const std::string& name, const CriterionBatch&) {
           if (name == "check_batch") throw_no();
         };
       }},
      {"Draw", "no",
       [](StepRig& rig, Batch&) {
         rig.second->when_told = [](const std::string& name, const CriterionBatch&) {
           if (name == "draw") throw_no();
         };
       }},
      {"Teacher", "no", [](StepRig& rig, Batch&) { rig.teacher->halfway = throw_no; }},
      {"Student", "no", [](StepRig& rig, Batch&) { rig.student->halfway = throw_no; }},
      {"FirstCriterion", "no",
       [](StepRig& rig, Batch&) {
         rig.first->in_forward = [](const at::Tensor& loss) {
           throw_no();
           return loss;
         };
       }},
      {"LastCriterion", "no",
       [](StepRig& rig, Batch&) {
         rig.second->in_forward = [](const at::Tensor& loss) {
           throw_no();
           return loss;
         };
       }},
      {"BeginningOfTheBackwardPass", "no",
       [](StepRig& rig, Batch&) {
         rig.second->in_forward = [](const at::Tensor& loss) {
           loss.register_hook([](const at::Tensor& gradient) {
             throw_no();
             return gradient;
           });
           return loss;
         };
       }},
      {"EndOfTheBackwardPass", "no",
       [](StepRig& rig, Batch&) {
         rig.student->at_end = [](NetworkOutput& output) {
           // The map's gradient comes when that of the classifier is on its way to other ranks.
           output.features[0].register_hook([](const at::Tensor& gradient) {
             throw_no();
             return gradient;
           });
         };
       }},
      {"NoMemory", "std::bad_alloc",
       [](StepRig& rig, Batch&) { rig.student->halfway = [] { throw std::bad_alloc(); }; }},
      {"NoException", "an unknown error", [](StepRig& rig, Batch&) { rig.student->halfway = [] { throw 7; }; }},
      {"AfterStep", "no", [](StepRig& rig, Batch&) { rig.second->in_after_step = throw_no; }},
      {"ConstantLoss", "TrainingStep: loss of term 4 must be a scalar (got [4])",
       [](StepRig& rig, Batch&) { rig.second->in_forward = [](const at::Tensor& loss) { return loss.expand({4}); }; }},
      {"LossIsNan", "TrainingStep: loss of term 4 must be finite (got nan)",
       [](StepRig& rig, Batch&) { rig.second->in_forward = [](const at::Tensor& loss) { return loss * kNan; }; },
       /*is_of_all=*/true},
      {"GradientIsNan", "TrainingStep: gradient of student.conv.weight must be finite (got inf or nan)",
       [](StepRig& rig, Batch&) {
         rig.second->in_forward = [](const at::Tensor& loss) { return loss + (loss * 0).sqrt(); };
       },
       /*is_of_all=*/true},
  };
}

void accumulate(TrainingStepOptions& options) {
  options.accumulate = 2;
}

void late(TrainingStepOptions& options) {
  options.late_results = true;
}

void small_buckets(TrainingStepOptions& options) {
  options.bucket_bytes = 1;
}

void stages(TrainingStepOptions& options) {
  options.later_stages = {options};
  options.steps = 1;
}

void training_teacher(TrainingStepOptions& options) {
  options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
}

/// Expects the next step to be that of a twin that has never failed.
void expect_right(const RankRig& rig, const RankRig& twin, int64_t number) {
  const StepResult result = rig.run(number), expected = twin.run(number);
  EXPECT_EQ(result.total, expected.total);
  EXPECT_EQ(result.terms, expected.terms);
  EXPECT_EQ(result.correct, expected.correct);
  EXPECT_EQ(result.gradient_norm, expected.gradient_norm);
  EXPECT_EQ(result.updated, expected.updated);
  EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
}

class RanksFailureTest : public ::testing::TestWithParam<Parameters> {};

TEST_P(RanksFailureTest, ChangesNothingOnAnyRank) {
  const auto& [place, variant, failure] = GetParam();
  ThreadRanks ranks(place.ranks);
  expect_no_errors(ranks.run([&, place = place, variant = variant, failure = failure](const auto& own) {
    const auto is_failing = [&](int64_t rank) {
      return std::find(place.failing.begin(), place.failing.end(), rank) != place.failing.end();
    };
    const RankRig rig(own, variant.change), twin(own, variant.change);
    for (int64_t i = 0; i < variant.before; ++i) expect_right(rig, twin, i);

    Batch batch = rig.batch(variant.before);
    if (is_failing(own->rank())) failure.cause(*rig, batch);
    const NamedTensors before = rig.photograph();
    for (int attempt = 0; attempt < 2; ++attempt) {
      const std::exception_ptr error = error_in([&] { rig.run(batch); });
      const std::string text = message_of(error);
      if (failure.is_of_all) {
        EXPECT_TRUE(is_a<NonFiniteError>(error)) << text;
        EXPECT_EQ(text, failure.text);
      } else if (is_failing(own->rank())) {
        EXPECT_FALSE(is_a<RankError>(error));
        EXPECT_EQ(text, failure.text);
      } else {
        EXPECT_TRUE(is_a<RankError>(error)) << text;
        const bool is_known = std::any_of(place.failing.begin(), place.failing.end(), [&](int64_t rank) {
          return text == c10::str("Ranks: rank ", rank, " has failed: ", failure.text);
        });
        EXPECT_TRUE(is_known) << text;
      }
      EXPECT_TRUE(same_bits(rig.photograph(), before));
    }
    rig->mend();
    for (int64_t i = variant.before; i < variant.before + 3; ++i) expect_right(rig, twin, i);
  }));
}

std::string name_of(const ::testing::TestParamInfo<Parameters>& info) {
  const auto& [place, variant, failure] = info.param;
  std::string of_place = std::to_string(place.ranks) + "Ranks";
  for (int64_t rank : place.failing) of_place += "On" + std::to_string(rank);
  return failure.name + variant.name + of_place;
}

INSTANTIATE_TEST_SUITE_P(
    Everywhere, RanksFailureTest,
    ::testing::Combine(
        ::testing::Values(
            Place{2, {0}}, Place{2, {1}}, Place{3, {0}}, Place{3, {1}}, Place{3, {2}}, Place{3, {0, 2}},
            Place{3, {0, 1, 2}}),
        ::testing::Values(Variant{"Plain"}), ::testing::ValuesIn(failures())),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Variants, RanksFailureTest,
    ::testing::Combine(
        ::testing::Values(Place{2, {0}}, Place{3, {1}}),
        ::testing::Values(
            Variant{"FirstStep", [](TrainingStepOptions&) {}, 0}, Variant{"SmallBuckets", small_buckets, 0},
            Variant{"SecondOfAnAccumulation", accumulate}, Variant{"FirstOfAnAccumulation", accumulate, 2},
            Variant{"LateResults", late}, Variant{"SecondStage", stages}, Variant{"TrainingTeacher", training_teacher}),
        ::testing::ValuesIn(failures())),
    name_of);

}  // namespace
}  // namespace retort::test
