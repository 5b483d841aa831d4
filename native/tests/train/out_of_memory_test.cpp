// What runs out of memory, at whichever of its allocations, changes nothing.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <retort/losses/program_loss.h>
#include <retort/models/exported.h>
#include <retort/models/mlp.h>
#include <retort/models/torchscript.h>
#include <retort/train/adam.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <limits>
#include <set>
#include <sstream>

#include "claiming_archive.h"
#include "files.h"
#include "retorts_code.h"
#include "scarce_allocator.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"
#include "tensor/out_of_memory.h"

namespace {

constexpr int64_t kPlenty = std::numeric_limits<int64_t>::max();

/// Allocations of tensors that still succeed.
std::atomic<int64_t> allowance = kPlenty;
/// Whether there is memory again after one has failed.
std::atomic<bool> fails_once = false;

bool is_left() {
  const int64_t left = allowance--;
  return left > 0 || (left < 0 && fails_once);
}

/// More than any test has.
constexpr size_t kImpossible = 1 << 30;

bool is_allowed(size_t bytes) {
  return bytes < kImpossible && is_left();
}

}  // namespace

/// Takes the place of the C library's, from which Retort has memory of its own; others are not touched, since oneDNN
/// does not survive a failure.
extern "C" __attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment, size_t size) {
  if (retort::test::is_retorts(__builtin_return_address(0)) && !is_left()) return ENOMEM;
  *memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  return *memory ? 0 : ENOMEM;
}

namespace retort {
namespace {

using test::bytes_of;
using test::same_bits;
using test::StepRig;

class OutOfMemoryTest : public test::SeededTest {
 protected:
  static void SetUpTestSuite() {
    static retort::test::ScarceAllocator<is_allowed> allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
  }

  void TearDown() override { allowance = kPlenty; }

  /// Lets the first allocation of an action's fail, then the second, and so on until it has all of them; once alone,
  /// and once with all that follow.
  /// @param check told whether the action has failed
  static void with_each_failure(const std::function<void()>& action, const std::function<void(bool)>& check) {
    for (bool once : {false, true}) {
      SCOPED_TRACE(once ? "one allocation fails" : "no memory is left");
      fails_once = once;
      with_failures(action, check);
    }
  }

 private:
  static void with_failures(const std::function<void()>& action, const std::function<void(bool)>& check) {
    int64_t n = 0;
    for (bool has_all = false; !has_all && !HasFailure(); ++n) {
      SCOPED_TRACE("after " + std::to_string(n) + " allocations");
      release_memory();
      bool failed = false;
      allowance = n;
      try {
        action();
      } catch (const std::exception& error) {
        failed = true;
        EXPECT_TRUE(is_out_of_memory(error)) << error.what();
      }
      has_all = allowance >= 0;
      allowance = kPlenty;
      EXPECT_FALSE(has_all && failed);
      check(failed);
      EXPECT_TRUE(!has_all || n > 3) << "nothing is replaced";
    }
    std::cout << n - 1 << " allocations failed, one at a time\n";
  }
};

TEST_F(OutOfMemoryTest, PublishedWeightsAreTheNewOrTheOld) {
  const auto network = make_mlp({{6, 8, 5}});
  const at::Tensor images = at::randn({3, 6});
  const auto set_weights = [&](double weight) {
    const at::NoGradGuard no_grad;
    for (const at::Tensor& parameter : network->parameters()) parameter.fill_(weight);
  };
  const auto published = [&](double weight) {
    set_weights(weight);
    network->publish();
    return network->predict(images);
  };
  const at::Tensor expected = published(0.2), before = published(0.1);
  with_each_failure(
      [&] {
        set_weights(0.2);
        network->publish();
      },
      [&](bool failed) {
        EXPECT_TRUE(same_bits(network->predict(images), failed ? before : expected));
        EXPECT_TRUE(same_bits(published(0.2), expected));
        published(0.1);
      });
}

TEST_F(OutOfMemoryTest, StateDictsAreLoadedWhollyOrNotAtAll) {
  const test::TemporaryFolder folder;
  const at::Tensor images = at::randn({3, 6});
  const auto network = make_mlp({{6, 8, 5}});
  network->save_state_dict(folder.file("before"));
  const at::Tensor before = network->predict(images);
  const auto other = make_mlp({{6, 8, 5}});
  other->save_state_dict(folder.file("other"));
  const at::Tensor expected = other->predict(images);
  with_each_failure(
      [&] { network->load_state_dict(folder.file("other")); },
      [&](bool failed) {
        EXPECT_TRUE(same_bits(network->predict(images), failed ? before : expected));
        network->load_state_dict(folder.file("other"));
        EXPECT_TRUE(same_bits(network->predict(images), expected));
        network->load_state_dict(folder.file("before"));
      });
}

struct Format {
  std::string name;
  std::function<std::string()> bytes;
  /// One that is needed.
  std::string record;
  std::function<void(const std::string& path)> load;
};

class FileOutOfMemoryTest : public OutOfMemoryTest, public ::testing::WithParamInterface<Format> {
 protected:
  const test::TemporaryFolder folder_;
};

TEST_P(FileOutOfMemoryTest, IsLoadedOrSaysSo) {
  folder_.write("file", GetParam().bytes());
  with_each_failure([&] { GetParam().load(folder_.file("file")); }, [](bool) {});
}

TEST_P(FileOutOfMemoryTest, ThatClaimsTooMuchIsDamaged) {
  folder_.write("file", test::claiming(GetParam().bytes(), GetParam().record));
  const std::string error = test::file_error_of([&] { GetParam().load(folder_.file("file")); });
  EXPECT_NE(error.find(folder_.file("file")), std::string::npos) << error;
}

std::string saved(void (Network::*save)(std::ostream&)) {
  std::ostringstream stream;
  (*make_mlp({{6, 8, 5}}).*save)(stream);
  return stream.str();
}

INSTANTIATE_TEST_SUITE_P(
    Formats, FileOutOfMemoryTest,
    ::testing::Values(
        Format{
            "StateDict", [] { return saved(&Network::save_state_dict); }, "data/0",
            [](const std::string& path) {
              make_mlp({{6, 8, 5}})->load_state_dict(path);
            }},
        Format{
            "TorchScript", [] { return saved(&Network::save_torchscript); }, "data/0",
            [](const std::string& path) { load_torchscript(path); }},
        Format{
            "Exported", [] { return bytes_of(RETORT_TESTS_DIR "/exported/pointwise-2.10.pt2"); }, "models/model.json",
            [](const std::string& path) { load_exported(path); }},
        Format{
            "TorchScriptLoss", [] { return bytes_of(RETORT_TESTS_DIR "/programs/attention_transfer.ts"); }, "data.pkl",
            [](const std::string& path) { load_program_loss(path); }},
        Format{
            "ExportedLoss", [] { return bytes_of(RETORT_TESTS_DIR "/programs/attention_transfer.pt2"); },
            "models/model.json", [](const std::string& path) { load_program_loss(path); }}),
    [](const ::testing::TestParamInfo<Format>& of) { return of.param.name; });

TEST_F(OutOfMemoryTest, CheckpointsAreWhole) {
  const test::TemporaryFolder folder;
  StepRig rig;
  rig.run(1);
  const test::NamedTensors before = rig.photograph();
  rig.step->save(folder.file("whole"), "note");
  with_each_failure(
      [&] {
        folder.write("file", "before");
        rig.step->save(folder.file("file"), "note");
      },
      [&](bool failed) {
        if (failed) {
          EXPECT_EQ(bytes_of(folder.file("file")), "before");
          rig.step->save(folder.file("file"), "note");
        }
        EXPECT_EQ(bytes_of(folder.file("file")), bytes_of(folder.file("whole")));
        EXPECT_EQ(folder.names(), (std::set<std::string>{"file", "whole"}));
      });
  EXPECT_TRUE(same_bits(rig.photograph(), before));
}

TEST_F(OutOfMemoryTest, CheckpointsAreLoadedWhollyOrNotAtAll) {
  const test::TemporaryFolder folder;
  StepRig saved;
  saved.run(1);
  saved.step->save(folder.file("other"));
  const test::NamedTensors expected = saved.photograph();
  StepRig rig;
  rig.run(2);
  rig.run(3);
  rig.step->save(folder.file("before"));
  const test::NamedTensors before = rig.photograph();
  with_each_failure(
      [&] { rig.step->load(folder.file("other")); },
      [&](bool failed) {
        EXPECT_TRUE(same_bits(rig.photograph(), failed ? before : expected));
        rig.step->load(folder.file("other"));
        EXPECT_TRUE(same_bits(rig.photograph(), expected));
        rig.step->load(folder.file("before"));
      });
}

struct Variant {
  std::string name;
  std::function<void(TrainingStepOptions&)> change;
};

class StepOutOfMemoryTest : public OutOfMemoryTest, public ::testing::WithParamInterface<Variant> {};

TEST_P(StepOutOfMemoryTest, IsWholeOrChangesNothing) {
  StepRig rig(GetParam().change);
  StepRig twin(GetParam().change);
  rig.run(1);
  twin.run(1);
  // Twice, for the batches of an accumulation.
  for (uint64_t seed : {2, 3}) {
    const auto seeded_photograph = [&] {
      manual_seed(seed);
      return rig.photograph();
    };
    test::NamedTensors before = seeded_photograph();
    int64_t failures = 0;
    StepResult result;
    with_each_failure(
        [&] {
          manual_seed(seed);
          result = StepResult();
          rig.step->run(rig.batch, result);
        },
        [&](bool failed) {
          if (failed) {
            ++failures;
            EXPECT_TRUE(same_bits(rig.photograph(), before));
            EXPECT_EQ(result.total, 0.0);
          } else {
            EXPECT_EQ(result.total, twin.run(seed).total);
            EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
            before = seeded_photograph();
          }
        });
    EXPECT_GT(failures, 100);
  }
}

void adam(TrainingStepOptions& options) {
  const auto adam = std::make_shared<AdamOptions>();
  adam->weight_decay = 0.1;
  adam->decay_norms_and_biases = false;
  options.optimizer = adam;
}

INSTANTIATE_TEST_SUITE_P(
    Step, StepOutOfMemoryTest,
    ::testing::Values(
        Variant{"Plain", {}}, Variant{"Adam", adam},
        Variant{
            "Accumulation",
            [](TrainingStepOptions& options) {
              options.accumulate = 2;
              options.clip_value = 0.05;
              options.clip_norm = 0.01;
            }},
        Variant{
            "Formats",
            [](TrainingStepOptions& options) {
              options.student_format = MemoryFormat::kChannelsLast;
              options.student_precision = Precision::kBFloat16;
              options.teachers[0].precision = Precision::kBFloat16;
            }},
        Variant{
            "TrainingTeacher",
            [](TrainingStepOptions& options) { options.teachers[0].batch_norm = TeacherBatchNorm::kTraining; }},
        Variant{"Cache", [](TrainingStepOptions& options) { options.teachers[0].cache.samples = 12; }}),
    [](const ::testing::TestParamInfo<Variant>& of) { return of.param.name; });

}  // namespace
}  // namespace retort
