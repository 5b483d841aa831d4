// A step of several ranks that fails on one of them fails on all, and changes nothing on any.
#include <ATen/Functions.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/models/torchscript.h>
#include <retort/train/training_step.h>
#include <sys/resource.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "expect.h"
#include "models/network_state.h"
#include "rank_rig.h"
#include "scarce_allocator.h"
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
  /// Steps before the first that fails, and between those that fail.
  int64_t before = 1;
  int64_t between = 1;
};

struct Place {
  int64_t ranks;
  std::vector<int64_t> failing;
};

std::ostream& operator<<(std::ostream& out, const Variant& variant) {
  return out << variant.name;
}

std::ostream& operator<<(std::ostream& out, const Place& place) {
  return out << place.ranks << " ranks";
}

using Parameters = std::tuple<Place, Variant>;

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

void batch_norm_of_all_ranks(TrainingStepOptions& options) {
  options.batch_norm = BatchNormOver::kAllRanks;
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

/// A rank of several, of which some fail.
struct Failing {
  Failing(const std::shared_ptr<Ranks>& own, const Place& of_all, const Change& change)
      : rank(own->rank()), place(of_all), rig(own, change), twin(own, change) {}

  bool is_failing(int64_t one) const {
    return std::find(place.failing.begin(), place.failing.end(), one) != place.failing.end();
  }

  void expect_error(const std::exception_ptr& error, const Failure& failure) const {
    const std::string text = message_of(error);
    if (failure.is_of_all) {
      EXPECT_TRUE(is_a<NonFiniteError>(error)) << text;
      EXPECT_EQ(text, failure.text);
    } else if (is_failing(rank)) {
      EXPECT_FALSE(is_a<RankError>(error));
      EXPECT_EQ(text, failure.text);
    } else {
      EXPECT_TRUE(is_a<RankError>(error)) << text;
      const bool is_known = std::any_of(place.failing.begin(), place.failing.end(), [&](int64_t one) {
        return text == c10::str("Ranks: rank ", one, " has failed: ", failure.text);
      });
      EXPECT_TRUE(is_known) << text;
    }
  }

  /// Fails twice, changes nothing, and goes on.
  void fail(const Failure& failure, int64_t steps) {
    SCOPED_TRACE(failure.name + " on rank " + std::to_string(rank));
    Batch batch = rig.batch(next);
    if (is_failing(rank)) failure.cause(*rig, batch);
    const NamedTensors before = rig.photograph();
    for (int attempt = 0; attempt < 2; ++attempt) {
      expect_error(error_in([&] { rig.run(batch); }), failure);
      EXPECT_TRUE(same_bits(rig.photograph(), before));
    }
    rig->mend();
    succeed(steps);
  }

  void succeed(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) expect_right(rig, twin, next++);
  }

  const int64_t rank;
  const Place place;
  const RankRig rig, twin;
  int64_t next = 0;
};

TEST_P(RanksFailureTest, ChangesNothingOnAnyRank) {
  const auto& [place, variant] = GetParam();
  ThreadRanks ranks(place.ranks);
  expect_no_errors(ranks.run([&, place = place, variant = variant](const std::shared_ptr<Ranks>& own) {
    Failing failing(own, place, variant.change);
    failing.succeed(variant.before);
    for (const Failure& failure : failures()) failing.fail(failure, variant.between);
  }));
}

TEST(RanksFailuresTest, MayComeInTheFirstStep) {
  for (const Place& place : {Place{2, {0}}, Place{3, {1}}}) {
    ThreadRanks ranks(place.ranks);
    expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
      for (const Failure& failure : failures()) {
        const std::vector<std::string> some = {"Label", "EndOfTheBackwardPass", "AfterStep", "LossIsNan"};
        if (std::find(some.begin(), some.end(), failure.name) == some.end()) continue;
        Failing(own, place, small_buckets).fail(failure, 2);
      }
    }));
  }
}

std::string name_of(const ::testing::TestParamInfo<Parameters>& info) {
  const auto& [place, variant] = info.param;
  std::string of_place = std::to_string(place.ranks) + "Ranks";
  for (int64_t rank : place.failing) of_place += "On" + std::to_string(rank);
  return variant.name + of_place;
}

INSTANTIATE_TEST_SUITE_P(
    Everywhere, RanksFailureTest,
    ::testing::Combine(
        ::testing::Values(
            Place{2, {0}}, Place{2, {1}}, Place{3, {0}}, Place{3, {1}}, Place{3, {2}}, Place{3, {0, 2}},
            Place{3, {0, 1, 2}}),
        ::testing::Values(Variant{"Plain"})),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Variants, RanksFailureTest,
    ::testing::Combine(
        ::testing::Values(Place{2, {0}}, Place{3, {1}}),
        ::testing::Values(
            Variant{"SmallBuckets", small_buckets}, Variant{"SecondOfAnAccumulation", accumulate, 1, 2},
            Variant{"FirstOfAnAccumulation", accumulate, 2, 2}, Variant{"LateResults", late},
            Variant{"BatchNormOfAllRanks", batch_norm_of_all_ranks}, Variant{"SecondStage", stages},
            Variant{"TrainingTeacher", training_teacher})),
    name_of);

/// Two ranks that fail by errors of their own.
TEST(RanksFailuresTest, EachThrowsItsOwnError) {
  ThreadRanks ranks(3);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
    if (own->rank() == 0) rig->student->halfway = [] { throw std::runtime_error("student"); };
    if (own->rank() == 2) rig->second->in_after_step = [] { throw std::runtime_error("criterion"); };
    const NamedTensors before = rig.photograph();
    const std::exception_ptr error = error_in([&] { rig.run(1); });
    // Rank 2 is not as far when it hears of the other.
    EXPECT_EQ(message_of(error), own->rank() == 0 ? "student" : "Ranks: rank 0 has failed: student");
    EXPECT_TRUE(same_bits(rig.photograph(), before));
    rig->mend();
    expect_right(rig, twin, 1);
  }));
}

constexpr int64_t kPlenty = std::numeric_limits<int64_t>::max();

/// Allocations of tensors that a thread may still make.
thread_local int64_t allowance = kPlenty;

bool is_allowed(size_t /*bytes*/) {
  return allowance-- > 0;
}

/// Before threads allocate that are to run out of memory.
void watch_allocations() {
  static ScarceAllocator<is_allowed> allocator;
  c10::SetCPUAllocator(&allocator, /*priority=*/100);
}

/// The error of a call whose thread may make so many allocations.
std::exception_ptr error_within(int64_t allocations, const std::function<void()>& call) {
  allowance = allocations;
  const std::exception_ptr error = error_in(call);
  allowance = kPlenty;
  return error;
}

TEST(RanksFailuresTest, NoMemoryAtAnyAllocationOfOneRank) {
  watch_allocations();
  // Not all of them, of which each would take a new connection.
  constexpr int64_t kStride = 5;
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const RankRig rig(own, batch_norm_of_all_ranks), twin(own, batch_norm_of_all_ranks);
    expect_right(rig, twin, 0);
    const Batch batch = rig.batch(1);
    const NamedTensors before = rig.photograph();
    int64_t failures = 0;
    for (;; ++failures) {
      StepResult result;
      const int64_t allocations = own->rank() == 1 ? failures * kStride : kPlenty;
      const std::exception_ptr error = error_within(allocations, [&] { rig->step->run(batch, result); });
      if (!error) break;
      EXPECT_EQ(is_a<RankError>(error), own->rank() == 0) << message_of(error);
      ASSERT_TRUE(same_bits(rig.photograph(), before)) << "at allocation " << failures * kStride;
    }
    EXPECT_GT(failures, 20);
    twin.run(batch);
    EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
    expect_right(rig, twin, 2);
  }));
}

/// A teacher that counts its forward passes.
std::shared_ptr<Network> counting_teacher() {
  torch::jit::Module module("Net");
  module.register_parameter("head", at::ones({5, 3}), /*is_buffer=*/false);
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.define(
      "def forward(self, x):\n"
      "    self.calls = self.calls + 1\n"
      "    return torch.linear(x.mean([2, 3]), self.head), [x]\n");
  std::stringstream stream;
  module.save(stream);
  return load_torchscript(stream);
}

TEST(RanksFailuresTest, ALoadThatFailsOnOneRankLeavesAttributesOnAll) {
  watch_allocations();
  const TemporaryFolder folder;
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const std::shared_ptr<Network> teacher = counting_teacher();
    const RankRig rig(own, [&](TrainingStepOptions& options) {
      options.teachers = {teacher};
      options.terms = {options.terms[0]};
    });
    const auto attributes = [&] { return NetworkState::of(*teacher).packed_attributes(); };
    rig.run(0);
    rig->step->save(folder.file("saved"));
    const std::string saved = attributes();
    rig.run(1);
    const std::string before = attributes();
    ASSERT_NE(before, saved);
    int64_t failures = 0;
    for (;; ++failures) {
      const int64_t allocations = own->rank() == 1 ? failures : kPlenty;
      const std::exception_ptr error = error_within(allocations, [&] { rig->step->load(folder.file("saved")); });
      if (!error) break;
      EXPECT_EQ(is_a<RankError>(error), own->rank() == 0) << message_of(error);
      EXPECT_EQ(attributes(), before) << "at allocation " << failures;
    }
    EXPECT_GT(failures, 5);
    EXPECT_EQ(attributes(), saved);
  }));
}

TEST(RanksFailuresTest, NanInImagesOfOneRankIsOfAll) {
  for (const bool skips : {false, true}) {
    const auto change = [&](TrainingStepOptions& options) { options.skip_non_finite = skips; };
    for (const int64_t before : {0, 1}) {
      ThreadRanks ranks(3);
      expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
        const RankRig rig(own, change), twin(own, change);
        for (int64_t i = 0; i < before; ++i) expect_right(rig, twin, i);
        Batch batch = rig.batch(before);
        if (own->rank() == 1) batch.images = batch.images.clone().fill_(kNan);
        const NamedTensors photograph = rig.photograph();
        StepResult result;
        const std::exception_ptr error = error_in([&] { result = rig.run(batch); });
        EXPECT_EQ(result.skipped, skips);
        EXPECT_EQ(is_a<NonFiniteError>(error), !skips) << message_of(error);
        EXPECT_TRUE(same_bits(rig.photograph(), photograph));
        expect_right(rig, twin, before);
      }));
    }
  }
}

TEST(RanksFailuresTest, NumbersThatOneRankFindsAreOfAll) {
  for (const bool skips : {false, true}) {
    const auto change = [&](TrainingStepOptions& options) { options.skip_non_finite = skips; };
    ThreadRanks ranks(3);
    expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
      const RankRig rig(own, change), twin(own, change);
      if (own->rank() == 2) {
        rig->second->in_after_step = [] { throw NonFiniteError("memory must be finite", nullptr); };
      }
      const NamedTensors before = rig.photograph();
      for (int attempt = 0; attempt < 2; ++attempt) {
        StepResult result;
        const std::exception_ptr error = error_in([&] { result = rig.run(0); });
        EXPECT_EQ(result.skipped, skips);
        if (!skips) {
          EXPECT_TRUE(is_a<NonFiniteError>(error));
          EXPECT_EQ(
              message_of(error),
              own->rank() == 2 ? "memory must be finite" : "Ranks: rank 2 has failed: memory must be finite");
        }
        EXPECT_TRUE(same_bits(rig.photograph(), before));
      }
      rig->mend();
      expect_right(rig, twin, 0);
    }));
  }
}

/// Lets files of this process grow to a number of bytes only.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int);
};

TEST(RanksFailuresTest, ACacheThatCannotBeWrittenIsOfAll) {
  const TemporaryFolder folder;
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const auto cached = [&](const std::string& name) {
      return [&, name](TrainingStepOptions& options) {
        if (own->rank() == 0) return;
        options.teachers[0].cache.samples = 12;
        options.teachers[0].cache.file = folder.file(name);
      };
    };
    const RankRig rig(own, cached("rig")), twin(own, cached("twin"));
    expect_right(rig, twin, 0);
    const NamedTensors before = rig.photograph();
    for (int attempt = 0; attempt < 2; ++attempt) {
      std::optional<FileLimit> limit;
      if (own->rank() == 1) limit.emplace(64);
      const std::exception_ptr error = error_in([&] { rig.run(1); });
      EXPECT_EQ(is_a<FileError>(error), own->rank() == 1) << message_of(error);
      EXPECT_EQ(is_a<RankError>(error), own->rank() == 0) << message_of(error);
      EXPECT_NE(message_of(error).find("TeacherCache: path must be a file"), std::string::npos) << message_of(error);
      EXPECT_TRUE(same_bits(rig.photograph(), before));
    }
    for (int64_t i = 1; i < 4; ++i) expect_right(rig, twin, i);
  }));
}

TEST(RanksFailuresTest, LateNumbersMayBeReadEarlierOnOneRank) {
  for (const bool skips : {false, true}) {
    ThreadRanks ranks(2);
    expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
      const auto change = [&](TrainingStepOptions& options) {
        options.late_results = true;
        options.skip_non_finite = skips;
        // It has to know that the step has succeeded.
        if (own->rank() == 1) options.teachers[0].cache.samples = 12;
      };
      const RankRig rig(own, change), twin(own, change);
      expect_right(rig, twin, 0);
      if (own->rank() == 0) rig->second->in_forward = [](const at::Tensor& loss) { return loss * kNan; };
      const NamedTensors before = rig.photograph();
      StepResult result;
      rig->step->run(rig.batch(1), result);
      const std::exception_ptr error = error_in([&] { rig->step->finish(result); });
      EXPECT_EQ(is_a<NonFiniteError>(error), !skips) << message_of(error);
      EXPECT_EQ(result.skipped, skips);
      EXPECT_TRUE(same_bits(rig.photograph(), before));
      rig->mend();
      for (int64_t i = 1; i < 4; ++i) expect_right(rig, twin, i);
    }));
  }
}

TEST(RanksFailuresTest, ErrorsOutsideOfAStepTakeItsPlace) {
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (own->rank() == 0) {
        rig->step->fail("no images");
      } else {
        const std::exception_ptr error = error_in([&] { rig.run(1); });
        EXPECT_EQ(message_of(error), "Ranks: rank 0 has failed: no images");
      }
    }
    expect_right(rig, twin, 1);
  }));
}

TEST(RanksFailuresTest, CallsThatDifferAreNamed) {
  const TemporaryFolder folder;
  using Call = std::function<void(const RankRig&)>;
  const Call run = [](const RankRig& rig) { rig.run(1); };
  const Call save = [&](const RankRig& rig) { rig->step->save(folder.file("saved")); };
  const Call checkpoint = [](const RankRig& rig) { rig->step->checkpoint(); };
  const Call load = [&](const RankRig& rig) { rig->step->load(folder.file("first")); };
  const std::vector<std::tuple<Call, Call, std::string>> cases = {
      {save, run, "got save on rank 0 and run on rank 1"},
      {run, save, "got run on rank 0 and save on rank 1"},
      {checkpoint, run, "got save on rank 0 and run on rank 1"},
      {load, run, "got load on rank 0 and run on rank 1"},
      {save, load, "got save on rank 0 and load on rank 1"}};
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
    rig->step->save(folder.file("first"));
    const NamedTensors before = rig.photograph();
    for (const auto& [first, second, text] : cases) {
      const std::exception_ptr error =
          error_in([&, first = first, second = second] { own->rank() == 0 ? first(rig) : second(rig); });
      EXPECT_TRUE(is_a<RankError>(error));
      EXPECT_EQ(message_of(error), "TrainingStep: call must be the same on all ranks (" + text + ")");
      EXPECT_TRUE(same_bits(rig.photograph(), before));
    }
    expect_right(rig, twin, 1);
  }));
  EXPECT_FALSE(std::filesystem::exists(folder.file("saved")));
}

// ---- options that differ --------------------------------------------------------------------------------------------

struct Difference {
  std::string name;
  /// On rank 1 only.
  Change change;
  /// What its error names, and from the bar on the values or their beginning.
  std::string text;
};

std::ostream& operator<<(std::ostream& out, const Difference& difference) {
  return out << difference.name;
}

class OptionsOfRanksTest : public ::testing::TestWithParam<Difference> {};

TEST_P(OptionsOfRanksTest, MustBeTheSame) {
  ThreadRanks ranks(3);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const std::exception_ptr error = error_in([&] {
      const RankRig rig(own, [&](TrainingStepOptions& options) {
        if (own->rank() == 1) GetParam().change(options);
      });
    });
    EXPECT_TRUE(is_a<RankError>(error));
    const size_t bar = GetParam().text.find('|');
    const std::string begin = "TrainingStep: " + GetParam().text.substr(0, bar) +
                              " must be the same on all ranks (got " + GetParam().text.substr(bar + 1);
    EXPECT_EQ(message_of(error).substr(0, begin.size()), begin);
    EXPECT_NE(message_of(error).find(" on rank 0 and "), std::string::npos);
    EXPECT_NE(message_of(error).find(" on rank 1)"), std::string::npos);
    // The next step of all ranks can be built.
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
  }));
}

std::shared_ptr<KdOptions> kd_of(double temperature) {
  auto options = std::make_shared<KdOptions>();
  options->temperature = temperature;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Ranks, OptionsOfRanksTest,
    ::testing::Values(
        Difference{
            "Temperature", [](TrainingStepOptions& options) { options.terms[0].criterion = kd_of(5); },
            "temperature of kd_loss of term 0|4 on rank 0 and 5"},
        Difference{
            "Weight", [](TrainingStepOptions& options) { options.terms[3].weight = 0.8; },
            "weight of term 3|0.7 on rank 0 and 0.8"},
        Difference{
            "Taps", [](TrainingStepOptions& options) { options.terms[1].student_taps = {"map"}; },
            "student_taps of term 1|[embedding] on rank 0 and [map]"},
        Difference{
            "NumberOfTerms", [](TrainingStepOptions& options) { options.terms.pop_back(); },
            "number of terms|5 on rank 0 and 4"},
        Difference{
            "InputShape",
            [](TrainingStepOptions& options) {
              options.input_shape = {3, 8, 6};
            },
            "input_shape|[3, 6, 6] on rank 0 and [3, 8, 6]"},
        Difference{
            "LearningRate", [](TrainingStepOptions& options) { options.optimizer = sgd(0.2, 0.9, 0.01); },
            "learning_rate of sgd|0.1 on rank 0 and 0.2"},
        Difference{
            "ClipNorm", [](TrainingStepOptions& options) { options.clip_norm = 1; }, "clip_norm|0 on rank 0 and 1"},
        Difference{
            "Accumulate", [](TrainingStepOptions& options) { options.accumulate = 2; }, "accumulate|1 on rank 0 and 2"},
        Difference{"Stages", stages, "stages|1 on rank 0 and 2"},
        Difference{"BatchNorm", batch_norm_of_all_ranks, "batch_norm_over of ranks|own batch on rank 0 and all ranks"},
        Difference{"BucketBytes", small_buckets, "bucket_bytes of ranks|1048576 on rank 0 and 1"},
        Difference{"LateResults", late, "late_results of ranks|false on rank 0 and true"},
        Difference{
            "SkipNonFinite", [](TrainingStepOptions& options) { options.skip_non_finite = true; },
            "skip_non_finite of ranks|false on rank 0 and true"},
        Difference{
            "TrainedParts", [](TrainingStepOptions& options) { options.trained = {"head"}; },
            "trained|[] on rank 0 and [head]"},
        Difference{
            "StudentsClasses",
            [](TrainingStepOptions& options) {
              options.student = std::make_shared<TinyNetwork>(6);
              options.teachers[0].network = std::make_shared<TinyNetwork>(6);
            },
            "conv.weight of weights_of_teacher|Float[4, 3,"},
        Difference{
            "Dtype", [](TrainingStepOptions& options) { options.student->to(at::kDouble); },
            "student.conv.weight of state|Float[4, 3, 3, 3] on rank 0 and Double[4, 3, 3, 3]"},
        Difference{
            "FrozenParameter",
            [](TrainingStepOptions& options) { options.student->parameters()[0].set_requires_grad(false); },
            "parameters of training|[student.conv.weight"},
        Difference{
            "TeachersWeights",
            [](TrainingStepOptions& options) {
              const at::NoGradGuard no_gradients;
              options.teachers[0].network->parameters()[0].add_(1);
            },
            "conv.weight of weights_of_teacher|"}),
    [](const ::testing::TestParamInfo<Difference>& of) { return of.param.name; });

TEST(RanksFailuresTest, OptionsThatOneRankRefusesAreRefusedByAll) {
  ThreadRanks ranks(3);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    for (int64_t refusing = 0; refusing < 3; ++refusing) {
      const std::exception_ptr error = error_in([&] {
        const RankRig rig(own, [&](TrainingStepOptions& options) {
          if (own->rank() == refusing) options.clip_norm = -1;
        });
      });
      const std::string text =
          "TrainingStep: limit of the gradient's norm must be positive and finite, or 0 for no limit (got -1)";
      EXPECT_EQ(is_a<c10::ValueError>(error), own->rank() == refusing);
      EXPECT_EQ(
          message_of(error),
          own->rank() == refusing ? text : c10::str("Ranks: rank ", refusing, " has failed: ", text));
    }
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
  }));
}

TEST(RanksFailuresTest, NumbersOfThreadsMayDiffer) {
  ThreadRanks ranks(2);
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    at::set_num_threads(1 + static_cast<int>(own->rank()));
    const RankRig rig(own), twin(own);
    expect_right(rig, twin, 0);
  }));
}

}  // namespace
}  // namespace retort::test
