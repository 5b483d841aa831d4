// Steps of several ranks whose BatchNorms are those of the whole batch, against one process that is given it.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/kd.h>
#include <retort/losses/ofd.h>
#include <retort/models/exported.h>
#include <retort/models/resnet.h>
#include <retort/models/torchscript.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include <functional>
#include <numeric>
#include <sstream>

#include "expect.h"
#include "module_state.h"
#include "networks.h"
#include "optimizers.h"
#include "projection_criterion.h"
#include "rank_training.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

constexpr int64_t kSteps = 5;
constexpr double kTolerance = 1e-9;

std::shared_ptr<Network> resnet(int64_t last_filters) {
  ResNetOptions options;
  options.depth = 8;
  options.classes = 5;
  options.filters = {4, 4, 8, last_filters};
  return make_resnet(options);
}

/// The small ResNet as TorchScript.
std::shared_ptr<Network> program() {
  std::stringstream stream;
  resnet(8)->save_torchscript(stream);
  return load_torchscript(stream);
}

struct Case {
  std::string name;
  std::function<void(TrainingStepOptions&)> change;
  std::vector<int64_t> parts = {5, 3, 3};
  std::function<void(Batch&)> edit = [](Batch& /*batch*/) {};
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.name;
}

/// Of one rank; they draw from the generator of the process, and so not while ranks run.
TrainingStepOptions options_of(const Case& one) {
  manual_seed(3);
  TrainingStepOptions options;
  options.student = resnet(8);
  options.teachers = {resnet(12)};
  options.input_shape = {3, 8, 8};
  options.terms = {{0.9, std::make_shared<KdOptions>(), {}, {}}};
  options.optimizer = sgd(0.05, 0.9, 0.01);
  options.batch_norm = BatchNormOver::kAllRanks;
  one.change(options);
  options.student->convert(at::kDouble);
  options.teachers[0].network->convert(at::kDouble);
  return options;
}

Batch batch_of(const Case& one, const TrainingStepOptions& options, int64_t step) {
  const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(100 + step));
  const int64_t size = std::accumulate(one.parts.begin(), one.parts.end(), int64_t{0});
  std::vector<int64_t> shape = options.input_shape;
  shape.insert(shape.begin(), size);
  Batch batch;
  // Parts far apart.
  batch.images = at::randn(shape, generator, at::TensorOptions(at::kDouble));
  batch.images += at::arange(size).view({-1, 1, 1, 1}) * 0.2;
  batch.labels = at::randint(5, {size}, generator, at::TensorOptions(at::kLong));
  one.edit(batch);
  return batch;
}

Batch part_of_rank(const Case& one, const TrainingStepOptions& options, int64_t step, int64_t rank) {
  return part_of(batch_of(one, options, step), one.parts, rank);
}

/// What a training comes to on one rank.
struct Trained {
  NamedTensors first, last, student, teacher;
  std::vector<double> losses;
};

/// @param initial of the step's tensors; drawn if it is empty
Trained train(
    const Case& one, TrainingStepOptions options, const std::shared_ptr<Ranks>& ranks, const NamedTensors& initial) {
  options.ranks = ranks;
  TrainingStep step(options);
  for (const auto& entry : initial) step.state()[entry.key()].copy_(entry.value());
  Trained trained;
  trained.first = copy_of(step.state());
  for (int64_t i = 0; i < kSteps * options.accumulate; ++i) {
    StepResult result;
    step.run(ranks ? part_of_rank(one, options, i, ranks->rank()) : batch_of(one, options, i), result);
    trained.losses.push_back(result.total);
  }
  EXPECT_EQ(step.steps(), kSteps);
  trained.last = copy_of(step.state());
  trained.student = state_of(*options.student);
  trained.teacher = state_of(*options.teachers[0].network);
  return trained;
}

std::vector<Trained> train_ranks(const Case& one, const NamedTensors& initial) {
  std::vector<TrainingStepOptions> options;
  for (size_t rank = 0; rank < one.parts.size(); ++rank) options.push_back(options_of(one));
  std::vector<Trained> trained(one.parts.size());
  ThreadRanks ranks(static_cast<int64_t>(one.parts.size()));
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const auto rank = static_cast<size_t>(own->rank());
    trained[rank] = train(one, options[rank], own, initial);
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
  return trained;
}

class RanksNormTest : public ::testing::TestWithParam<Case> {};

TEST_P(RanksNormTest, AreOneProcess) {
  const Case& one = GetParam();
  const Trained alone = train(one, options_of(one), nullptr, NamedTensors());
  const std::vector<Trained> trained = train_ranks(one, alone.first);
  for (const Trained& of_rank : trained) {
    EXPECT_TRUE(same_bits(of_rank.last, trained[0].last));
    EXPECT_TRUE(same_bits(of_rank.teacher, trained[0].teacher));
    expect_close(of_rank.last, alone.last, kTolerance);
    expect_close(of_rank.student, alone.student, kTolerance);
    expect_close(of_rank.teacher, alone.teacher, kTolerance);
    ASSERT_EQ(of_rank.losses.size(), alone.losses.size());
    for (size_t i = 0; i < alone.losses.size(); ++i) {
      EXPECT_TRUE(close(of_rank.losses[i], alone.losses[i], kTolerance)) << i;
    }
  }
}

void with_ofd(TrainingStepOptions& options) {
  options.terms.push_back(
      {0.5, std::make_shared<OfdOptions>(), {"layer2.pre", "layer3.pre"}, {"layer2.pre", "layer3.pre"}});
}

void with_program(TrainingStepOptions& options) {
  options.student = program();
}

void with_exported(TrainingStepOptions& options) {
  options.student = load_exported(std::string(RETORT_EXPORTED_DIR) + "/pointwise-2.10.pt2");
  options.teachers[0].network = std::make_shared<TinyNetwork>(8);
  options.input_shape = {3, 2, 2};
}

std::vector<Case> cases() {
  return {
      {"Native", [](TrainingStepOptions& /*options*/) {}},
      {"NativeOfTwo", [](TrainingStepOptions& /*options*/) {}, {4, 4}},
      {"OneSample", [](TrainingStepOptions& /*options*/) {}, {1, 4}},
      {"Ofd", with_ofd},
      {"OfdOfTwo", with_ofd, {6, 2}},
      {"TorchScript", with_program},
      {"TorchScriptOfTwo", with_program, {4, 3}},
      {"Exported", with_exported},
      {"ExportedOfTwo", with_exported, {4, 3}},
      {"Accumulated", [](TrainingStepOptions& options) { options.accumulate = 2; }},
      {"ManyBuckets",
       [](TrainingStepOptions& options) {
         with_ofd(options);
         options.bucket_bytes = 512;
       }},
      {"TeacherTrains",
       [](TrainingStepOptions& options) { options.teachers[0].batch_norm = TeacherBatchNorm::kTraining; }},
      {"TeacherOfBatch",
       [](TrainingStepOptions& options) {
         with_ofd(options);
         options.teachers[0].batch_norm = TeacherBatchNorm::kBatchStatistics;
       }},
      // The backward pass of rank 1 has no loss to begin from.
      {"NoLabels",
       [](TrainingStepOptions& options) { options.terms.clear(); },
       {5, 3, 3},
       [](Batch& batch) { batch.labels.narrow(0, 5, 3).fill_(-1); }},
  };
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RanksNormTest, ::testing::ValuesIn(cases()),
    [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

// ---- of each rank's own batch
// -----------------------------------------------------------------------------------------

/// Running statistics of the student and of the teacher.
NamedTensors statistics_of(const TrainingStepOptions& options) {
  NamedTensors statistics;
  const std::vector<std::pair<std::string, Network*>> networks = {
      {"student.", options.student.get()}, {"teacher.", options.teachers[0].network.get()}};
  for (const auto& [name, network] : networks) {
    for (const auto& buffer : network->named_buffers()) {
      if (buffer.value().is_floating_point()) statistics.insert(name + buffer.key(), buffer.value().clone());
    }
  }
  return statistics;
}

TEST(RanksOwnNormTest, RunningStatisticsAreTheMeanOfTheRanksBySamples) {
  const Case one = {"", [](TrainingStepOptions& options) {
                      options.batch_norm = BatchNormOver::kOwnBatch;
                      options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
                    }};
  const size_t count = one.parts.size();
  const auto samples = std::accumulate(one.parts.begin(), one.parts.end(), 0.0);
  NamedTensors expected;
  std::vector<TrainingStepOptions> options;
  for (size_t rank = 0; rank < count; ++rank) {
    const TrainingStepOptions alone = options_of(one);
    for (Network* network : {alone.student.get(), alone.teachers[0].network.get()}) {
      network->train();
      network->forward(part_of_rank(one, alone, 0, static_cast<int64_t>(rank)).images);
    }
    for (const auto& entry : statistics_of(alone)) {
      const at::Tensor share = entry.value() * (static_cast<double>(one.parts[rank]) / samples);
      if (rank == 0) {
        expected.insert(entry.key(), share);
      } else {
        expected[entry.key()] += share;
      }
    }
    options.push_back(options_of(one));
  }
  std::vector<NamedTensors> trained(count);
  ThreadRanks ranks(static_cast<int64_t>(count));
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const auto rank = static_cast<size_t>(own->rank());
    TrainingStepOptions mine = options[rank];
    mine.ranks = own;
    TrainingStep step(mine);
    StepResult result;
    step.run(part_of_rank(one, mine, 0, own->rank()), result);
    trained[rank] = statistics_of(mine);
  });
  for (const auto& error : errors) ASSERT_EQ(message_of(error), "");
  for (const NamedTensors& of_rank : trained) {
    EXPECT_TRUE(same_bits(of_rank, trained[0]));
    expect_close(of_rank, expected, kTolerance);
  }
}

// ---- failures -------------------------------------------------------------------------------------------------------

TEST(RanksNormFailureTest, OfAnotherRankIsARankErrorOfTorchScriptToo) {
  const Case one = {"", [](TrainingStepOptions& options) {
                      with_program(options);
                      // Before the student.
                      options.teachers[0].network = std::make_shared<TinyNetwork>(5);
                    }};
  std::vector<TrainingStepOptions> options;
  for (size_t rank = 0; rank < 3; ++rank) options.push_back(options_of(one));
  ThreadRanks ranks(3);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const auto rank = static_cast<size_t>(own->rank());
    TrainingStepOptions mine = options[rank];
    mine.ranks = own;
    TrainingStep step(mine);
    const auto teacher = std::static_pointer_cast<TinyNetwork>(mine.teachers[0].network);
    const NamedTensors before = copy_of(step.state());
    Batch batch = batch_of(one, mine, 0);
    StepResult result;
    if (rank == 1) {
      teacher->halfway = [] { throw std::runtime_error("out of luck"); };
      EXPECT_THROW(step.run(batch, result), std::runtime_error);
    } else {
      try {
        step.run(batch, result);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const RankError& error) {
        EXPECT_EQ(std::string(error.what_without_backtrace()), "Ranks: rank 1 has failed: out of luck");
      }
    }
    EXPECT_TRUE(same_bits(copy_of(step.state()), before));
    teacher->halfway = nullptr;
    step.run(batch, result);
    EXPECT_TRUE(result.updated);
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

}  // namespace
}  // namespace retort::test
