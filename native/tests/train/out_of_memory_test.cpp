// A step that runs out of memory, at whichever of its allocations, changes nothing.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <retort/train/adam.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <limits>

#include "retorts_code.h"
#include "scarce_allocator.h"
#include "seeded_test.h"
#include "step_rig.h"

namespace {

/// Allocations of tensors that still succeed.
std::atomic<int64_t> allowance = std::numeric_limits<int64_t>::max();

bool is_allowed() {
  return allowance-- > 0;
}

}  // namespace

/// Takes the place of the C library's, from which Retort has memory of its own; others are not touched, since oneDNN
/// does not survive a failure.
extern "C" __attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment, size_t size) {
  if (retort::test::is_retorts(__builtin_return_address(0)) && allowance-- <= 0) return ENOMEM;
  *memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  return *memory ? 0 : ENOMEM;
}

namespace retort {
namespace {

using test::StepRig;

struct Variant {
  std::string name;
  std::function<void(TrainingStepOptions&)> change;
};

class OutOfMemoryTest : public test::SeededTest, public ::testing::WithParamInterface<Variant> {
 protected:
  static void SetUpTestSuite() {
    static retort::test::ScarceAllocator<is_allowed> allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
  }
};

TEST_P(OutOfMemoryTest, ChangesNothing) {
  StepRig rig(GetParam().change);
  StepRig twin(GetParam().change);
  rig.run(1);
  twin.run(1);
  // Twice, for the batches of an accumulation.
  for (uint64_t seed : {2, 3}) {
    int64_t failures = 0;
    for (bool failed = true; failed;) {
      release_memory();
      manual_seed(seed);
      const test::NamedTensors before = rig.photograph();
      StepResult result;
      failed = false;
      allowance = failures;
      try {
        rig.step->run(rig.batch, result);
      } catch (const std::exception&) {
        failed = true;
      }
      allowance = std::numeric_limits<int64_t>::max();
      if (!failed) break;
      ++failures;
      ASSERT_TRUE(test::same_bits(rig.photograph(), before)) << "at allocation " << failures;
      ASSERT_EQ(result.total, 0.0);
    }
    EXPECT_GT(failures, 50);
    twin.run(seed);
    EXPECT_TRUE(test::same_bits(rig.photograph(), twin.photograph()));
  }
}

void adam(TrainingStepOptions& options) {
  const auto adam = std::make_shared<AdamOptions>();
  adam->weight_decay = 0.1;
  adam->decay_norms_and_biases = false;
  options.optimizer = adam;
}

INSTANTIATE_TEST_SUITE_P(
    Step, OutOfMemoryTest,
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
