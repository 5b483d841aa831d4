#pragma once

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/kd.h>
#include <retort/losses/ofd.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include <functional>
#include <memory>
#include <string>

#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "projection_criterion.h"

namespace retort::test {

/// A step with everything a failure could leave its traces in: BatchNorm, dropout, momentum, and criteria with
/// parameters and buffers, among them CRD's memories and OFD's connector. The last criterion is one that fails on
/// demand, when all others have changed what they change. Two rigs are twins.
struct StepRig {
  using Change = std::function<void(TrainingStepOptions&)>;

  /// @param change of the options before the step is built
  explicit StepRig(const Change& change = {}, double dropout = 0.3) {
    manual_seed(3);
    student = std::make_shared<TinyNetwork>(5, dropout);
    teacher = std::make_shared<TinyNetwork>(5);
    const auto crd = std::make_shared<CrdOptions>();
    crd->samples = 12;
    crd->dimension = 5;
    TrainingStepOptions options;
    options.student = student;
    options.teachers = {teacher};
    options.input_shape = {3, 6, 6};
    options.cross_entropy.weight = 0.5;
    options.terms = {
        {0.9, std::make_shared<KdOptions>(), {}, {}},
        {2.0, first, {"embedding"}, {"embedding"}},
        {0.1, crd, {"embedding"}, {"embedding"}},
        {0.7, std::make_shared<OfdOptions>(), {"map"}, {"map"}},
        {0.5, second, {"embedding"}, {"embedding"}}};
    options.optimizer = sgd(0.1, 0.9, 0.01);
    if (change) change(options);
    step = std::make_unique<TrainingStep>(options);
    batch.images = at::randn({6, 3, 6, 6});
    batch.labels = at::tensor({0, 4, -1, 3, 1, 2}, at::kLong);
    batch.indices = at::arange(6, at::kLong);
    batch.contrast = crd_contrast(batch.indices, crd->samples, /*negatives=*/2);
  }

  /// A step that succeeds.
  StepResult run(uint64_t seed) {
    manual_seed(seed);
    return run(*step, batch);
  }

  /// What a step says of a batch, now or late.
  static StepResult run(TrainingStep& step, const Batch& batch) {
    StepResult result;
    step.run(batch, result);
    step.finish(result);
    return result;
  }

  /// Takes away what makes steps fail.
  void mend() {
    for (const auto& network : {student, teacher}) {
      network->halfway = nullptr;
      network->at_end = nullptr;
    }
    for (const auto& criterion : {first, second}) {
      criterion->when_told = nullptr;
      criterion->in_forward = nullptr;
      criterion->in_after_step = nullptr;
    }
  }

  /// Everything a step could change.
  NamedTensors photograph() const {
    NamedTensors all = copy_of(step->state());
    for (const auto& entry : teacher->state_dict()) all.insert("teacher." + entry.key(), entry.value().clone());
    all.insert("generator", random_state());
    all.insert("steps", at::tensor({step->steps(), step->stage()}, at::kLong));
    for (const auto& network : {student, teacher}) {
      for (const auto& part : network->modules()) {
        all.insert("mode " + std::to_string(all.size()), at::scalar_tensor(part->is_training(), at::kBool));
      }
    }
    return all;
  }

  std::shared_ptr<TinyNetwork> student, teacher;
  std::shared_ptr<ProjectionOptions> first = std::make_shared<ProjectionOptions>();
  std::shared_ptr<ProjectionOptions> second = std::make_shared<ProjectionOptions>();
  std::unique_ptr<TrainingStep> step;
  Batch batch;
};

inline void expect_same_results(const StepResult& actual, const StepResult& expected) {
  EXPECT_EQ(actual.total, expected.total);
  EXPECT_EQ(actual.cross_entropy, expected.cross_entropy);
  EXPECT_EQ(actual.terms, expected.terms);
  EXPECT_EQ(actual.gradient_norm, expected.gradient_norm);
}

}  // namespace retort::test
