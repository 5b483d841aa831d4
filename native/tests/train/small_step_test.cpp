#include <ATen/Functions.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <retort/models/mlp.h>
#include <retort/runtime.h>
#include <retort/train/adam.h>
#include <retort/train/sgd.h>
#include <retort/train/training_step.h>

#include <atomic>
#include <memory>

#include "seeded_test.h"

namespace {

std::atomic<int64_t> parallel_regions{0};

using Parallel = void(void (*)(void*), void*, unsigned, unsigned);

}  // namespace

/// Comes before OpenMP's, and counts how often threads are asked for.
extern "C" __attribute__((visibility("default"))) void GOMP_parallel(
    void (*function)(void*), void* data, unsigned threads, unsigned flags) {
  static auto* const original = reinterpret_cast<Parallel*>(dlsym(RTLD_NEXT, "GOMP_parallel"));
  ++parallel_regions;
  original(function, data, threads, flags);
}

namespace retort {
namespace {

class SmallStepTest : public test::SeededTest {};

TEST_F(SmallStepTest, WakesNoThread) {
  set_threads(2);
  at::ones({1 << 20}).exp();
  ASSERT_GT(parallel_regions, 0) << "nothing is counted";

  const std::vector<std::shared_ptr<OptimizerOptions>> optimizers = {
      std::make_shared<SgdOptions>(), std::make_shared<AdamOptions>()};
  for (const auto& optimizer : optimizers) {
    TrainingStepOptions options;
    options.student = make_mlp({{64, 128, 10}});
    options.input_shape = {64};
    options.optimizer = optimizer;
    TrainingStep step(options);
    Batch batch;
    batch.labels = at::arange(32, at::kLong).remainder(10);
    StepResult result;
    for (const at::Tensor& images : {at::rand({32, 64}), at::randint(256, {32, 64}, at::kByte)}) {
      batch.images = images;
      const int64_t before = parallel_regions;
      step.run(batch, result);
      EXPECT_EQ(parallel_regions, before) << optimizer->description() << ", " << images.scalar_type();
    }
  }
}

}  // namespace
}  // namespace retort
