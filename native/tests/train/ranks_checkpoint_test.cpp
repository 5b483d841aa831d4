// TrainingStep::save, checkpoint and load of several ranks.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "bad_streams.h"
#include "expect.h"
#include "files.h"
#include "io/checkpoint_file.h"
#include "rank_rig.h"
#include "temporary_folder.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

using Change = StepRig::Change;

/// Sizes of the ranks' parts; of one process the batch.
using Parts = std::vector<int64_t>;

class RanksCheckpointTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.file("step.retort"); }

  TemporaryFolder folder_;
};

/// A rank, or the one process.
struct Member {
  Member(const std::shared_ptr<Ranks>& own, Parts of_all, const Change& change)
      : rank(own ? own->rank() : 0), parts(std::move(of_all)), rig(own, change) {}

  /// Steps of the whole batches with these numbers.
  void run(int64_t begin, int64_t end) {
    const int64_t samples = std::accumulate(parts.begin(), parts.end(), int64_t{0});
    const at::ScalarType dtype = rig->student->parameters()[0].scalar_type();
    for (int64_t i = begin; i < end; ++i) rig.run(part_of(RankRig::whole_batch(i, samples, dtype), parts, rank));
  }

  int64_t rank;
  Parts parts;
  RankRig rig;
};

/// Calls `work` on each rank, or in this process if there is one part.
void train(const Parts& parts, const Change& change, const std::function<void(Member&)>& work) {
  if (parts.size() == 1) {
    Member alone(nullptr, parts, change);
    return work(alone);
  }
  ThreadRanks ranks(static_cast<int64_t>(parts.size()));
  expect_no_errors(ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Member member(own, parts, change);
    // Not while others build their steps and so draw.
    own->any(false);
    if (own->rank() == 0) manual_seed(7);
    own->any(false);
    work(member);
  }));
}

void accumulate(TrainingStepOptions& options) {
  options.accumulate = 3;
}

void stages(TrainingStepOptions& options) {
  options.later_stages = {options};
  options.steps = 2;
}

void late(TrainingStepOptions& options) {
  options.late_results = true;
}

TEST_F(RanksCheckpointTest, TheSameTrainingWritesTheSameFile) {
  std::string bytes;
  for (int repetition = 0; repetition < 2; ++repetition) {
    train({3, 3, 3}, {}, [&](Member& member) {
      member.run(0, 3);
      // Where others write nothing.
      member.rig->step->save(member.rank == 0 ? path() : folder_.file("nowhere/of other ranks"), "a note");
    });
    if (repetition == 0) bytes = bytes_of(path());
  }
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(bytes_of(path()), bytes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  const Checkpoint checkpoint = read_checkpoint("test", path());
  for (const char* name : {"random", "random.1", "random.2"}) {
    EXPECT_TRUE(same_bits(checkpoint.tensors[name], random_state())) << name;
  }
  EXPECT_FALSE(checkpoint.tensors.contains("random.3"));
}

TEST_F(RanksCheckpointTest, ResumedRanksGoOnBitForBit) {
  for (const Change& change : {Change(), Change(accumulate), Change(stages), Change(late)}) {
    for (const int64_t before : {0, 1, 4}) {
      const Parts parts = {4, 2, 3};
      std::vector<NamedTensors> expected(parts.size());
      train(parts, change, [&](Member& member) {
        member.run(0, before);
        member.rig->step->save(path(), "after " + std::to_string(before));
        member.run(before, before + 3);
        expected[static_cast<size_t>(member.rank)] = member.rig.photograph();
      });
      train(parts, change, [&](Member& member) {
        member.run(20, 23);
        EXPECT_EQ(member.rig->step->load(path()), "after " + std::to_string(before));
        member.run(before, before + 3);
        EXPECT_TRUE(same_bits(member.rig.photograph(), expected[static_cast<size_t>(member.rank)]));
      });
    }
  }
}

TEST_F(RanksCheckpointTest, AnotherNumberOfRanksGoesOn) {
  for (const Change& chosen : {Change([](TrainingStepOptions&) {}), Change(accumulate), Change(stages)}) {
    const auto change = [&](TrainingStepOptions& options) {
      options.student->to(at::kDouble);
      options.teachers[0].network->to(at::kDouble);
      options.batch_norm = BatchNormOver::kAllRanks;
      chosen(options);
    };
    for (const Parts& first : {Parts{5, 4}, Parts{9}}) {
      NamedTensors expected;
      train(first, change, [&](Member& member) {
        member.run(0, 4);
        member.rig->step->save(path());
        member.run(4, 7);
        if (member.rank == 0) expected = member.rig.photograph();
      });
      for (const Parts& then : {Parts{9}, Parts{2, 7}, Parts{3, 3, 3}}) {
        train(then, change, [&](Member& member) {
          member.rig->step->load(path());
          member.run(4, 7);
          const NamedTensors resumed = member.rig.photograph();
          ASSERT_EQ(resumed.size(), expected.size());
          for (const auto& entry : resumed) {
            EXPECT_TRUE(close(entry.value().to(at::kDouble), expected[entry.key()].to(at::kDouble), 1e-9))
                << entry.key() << " of " << then.size() << " ranks after " << first.size();
          }
        });
      }
    }
  }
}

TEST_F(RanksCheckpointTest, AFileThatRankZeroCannotReadChangesNothingOnAnyRank) {
  train({3, 3}, {}, [&](Member& member) {
    const RankRig& rig = member.rig;
    member.run(0, 1);
    rig->step->save(path());
    if (member.rank == 0) {
      std::string bytes = bytes_of(path());
      bytes[bytes.size() / 2] ^= 1;
      folder_.write("damaged", bytes);
    }
    member.run(1, 3);
    const NamedTensors before = rig.photograph();
    const auto expect_refused = [&](const std::function<void()>& load, const std::string& text) {
      const std::exception_ptr error = error_in(load);
      EXPECT_EQ(is_a<FileError>(error), member.rank == 0) << message_of(error);
      EXPECT_EQ(is_a<RankError>(error), member.rank == 1) << message_of(error);
      const std::string begin = (member.rank == 0 ? "" : "Ranks: rank 0 has failed: ") + text;
      EXPECT_EQ(message_of(error).substr(0, begin.size()), begin);
      EXPECT_TRUE(same_bits(rig.photograph(), before));
    };
    expect_refused([&] { rig->step->load(folder_.file("missing")); }, "TrainingStep.load: ");
    expect_refused([&] { rig->step->load(folder_.file("damaged")); }, "TrainingStep.load: ");
    BreakingBuffer broken("RETORT");
    std::istream stream(&broken);
    expect_refused([&] { rig->step->load(stream, "a stream"); }, "TrainingStep.load: ");
    rig->step->load(path());
    member.run(1, 3);
    EXPECT_TRUE(same_bits(rig.photograph(), before));
  });
}

TEST_F(RanksCheckpointTest, AStepOfOtherOptionsIsRefusedOnAllRanks) {
  train({3, 3}, {}, [&](Member& member) { member.rig->step->save(path()); });
  train({3, 3}, accumulate, [&](Member& member) {
    const NamedTensors before = member.rig.photograph();
    const std::exception_ptr error = error_in([&] { member.rig->step->load(path()); });
    EXPECT_TRUE(is_a<FileError>(error) || is_a<RankError>(error));
    EXPECT_NE(message_of(error).find("accumulate must be 3, as in this step (got 1"), std::string::npos);
    EXPECT_TRUE(same_bits(member.rig.photograph(), before));
    member.run(0, 3);
  });
}

TEST_F(RanksCheckpointTest, StreamsAndCopiesHoldTheSame) {
  train({3, 3}, {}, [&](Member& member) {
    const RankRig& rig = member.rig;
    member.run(0, 2);
    std::ostringstream stream;
    rig->step->save(stream, "a note");
    const StepCheckpoint checkpoint = rig->step->checkpoint("a note");
    // Further steps do not reach it.
    member.run(2, 4);
    const NamedTensors expected = rig.photograph();
    std::ostringstream later;
    checkpoint.write(later);
    EXPECT_EQ(stream.str().empty(), member.rank == 1);
    EXPECT_EQ(later.str() == stream.str(), member.rank == 0);
    std::istringstream saved(stream.str());
    EXPECT_EQ(rig->step->load(saved), "a note");
    member.run(2, 4);
    EXPECT_TRUE(same_bits(rig.photograph(), expected));
  });
}

TEST_F(RanksCheckpointTest, ANoteThatIsTooLongIsRefusedByAll) {
  train({3, 3}, {}, [&](Member& member) {
    const std::string note(member.rank == 1 ? (1 << 20) + 1 : 1, 'a');
    const std::exception_ptr error = error_in([&] { member.rig->step->save(path(), note); });
    EXPECT_EQ(is_a<c10::ValueError>(error), member.rank == 1);
    EXPECT_EQ(is_a<RankError>(error), member.rank == 0);
    EXPECT_FALSE(std::filesystem::exists(path()));
    member.run(0, 1);
  });
}

TEST_F(RanksCheckpointTest, LoadingBringsRanksTogetherAgain) {
  train({3, 3}, {}, [&](Member& member) {
    const RankRig& rig = member.rig;
    member.run(0, 1);
    rig->step->save(path());
    const NamedTensors saved = rig.photograph();
    const at::NoGradGuard no_gradients;
    if (member.rank == 1) rig->student->parameters()[0].add_(1);
    rig->step->load(path());
    EXPECT_TRUE(same_bits(rig.photograph(), saved));
  });
}

/// What must be the same on all ranks: everything but what each counts for itself.
std::string difference_of(const NamedTensors& one, const NamedTensors& other) {
  for (const auto& entry : one) {
    if (!same_bits(entry.value(), other[entry.key()])) return entry.key();
  }
  return {};
}

class LongRanksTest : public RanksCheckpointTest, public testing::WithParamInterface<int64_t> {};

TEST_P(LongRanksTest, RanksStayTheSame) {
  std::vector<NamedTensors> last(3);
  train({5, 3, 3}, {}, [&](Member& member) {
    member.run(0, GetParam());
    last[static_cast<size_t>(member.rank)] = member.rig.photograph();
  });
  EXPECT_EQ(difference_of(last[0], last[1]), "");
  EXPECT_EQ(difference_of(last[0], last[2]), "");
}

INSTANTIATE_TEST_SUITE_P(Steps, LongRanksTest, testing::Values(100, 1000), testing::PrintToStringParamName());

}  // namespace
}  // namespace retort::test
