// Steps of several ranks against those of one process.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include "expect.h"
#include "step_rig.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

TEST(RanksTest, Smoke) {
  ThreadRanks ranks(2);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    StepRig rig([&](TrainingStepOptions& options) { options.ranks = own; });
    for (int i = 0; i < 3; ++i) {
      StepResult result;
      rig.step->run(rig.batch, result);
      EXPECT_EQ(result.samples, 12);
    }
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

}  // namespace
}  // namespace retort::test
