#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <retort/train/training_step.h>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rank_training.h"
#include "step_rig.h"
#include "thread_ranks.h"

namespace retort::test {

/// The rig of one of several ranks, with its own part of every batch. The rigs of all ranks have the same networks.
/// Nothing in them draws random numbers while steps run, since ranks that are threads share the generator.
class RankRig {
 public:
  static constexpr int64_t kSamples = 3;

  /// @param ranks null for one process
  explicit RankRig(const std::shared_ptr<Ranks>& ranks, const StepRig::Change& change = {}) : ranks_(ranks) {
    // Not the default one, from which all ranks draw at the same time.
    auto generator = at::detail::createCPUGenerator(3);
    const at::NoGradGuard no_gradients;
    const auto draw = [&](const at::Tensor& tensor) {
      if (tensor.is_floating_point()) tensor.uniform_(-0.5, 0.5, generator);
    };
    rig_ = std::make_unique<StepRig>(
        [&](TrainingStepOptions& options) {
          options.ranks = ranks;
          for (const at::Tensor& parameter : options.student->parameters()) draw(parameter);
          for (const at::Tensor& parameter : options.teachers[0].network->parameters()) draw(parameter);
          if (change) change(options);
        },
        /*dropout=*/0.0);
    for (int64_t term = 0; term < rig_->step->term_count(); ++term) {
      const std::shared_ptr<Criterion> criterion = rig_->step->criterion(term);
      for (const at::Tensor& parameter : criterion->parameters()) draw(parameter);
      for (const auto& entry : criterion->named_buffers()) {
        if (entry.key().find("memory.") != std::string::npos) draw(entry.value());
      }
    }
  }

  StepRig& operator*() const { return *rig_; }
  StepRig* operator->() const { return rig_.get(); }

  /// That of all ranks.
  static Batch whole_batch(int64_t number, int64_t samples, at::ScalarType dtype = at::kFloat) {
    const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(100 + number));
    Batch batch;
    batch.images = at::randn({samples, 3, 6, 6}, generator, at::TensorOptions(at::kDouble)).to(dtype);
    batch.labels = at::randint(-1, 5, {samples}, generator, at::TensorOptions(at::kLong));
    batch.indices = at::arange(number * kSamples, number * kSamples + samples, at::kLong).remainder(12);
    batch.contrast =
        at::stack({batch.indices, (batch.indices + 3).remainder(12), (batch.indices + 7).remainder(12)}, 1);
    return batch;
  }

  /// This rank's part.
  Batch batch(int64_t number) const {
    return part_of(whole_batch(number, ranks_->size() * kSamples), ranks_->rank() * kSamples, kSamples);
  }

  StepResult run(const Batch& batch) const { return StepRig::run(*rig_->step, batch); }
  StepResult run(int64_t number) const { return run(batch(number)); }

  /// Everything a step could change but for the generator, which ranks share.
  NamedTensors photograph() const {
    NamedTensors all;
    for (const auto& entry : rig_->photograph()) {
      if (entry.key() != "generator") all.insert(entry.key(), entry.value());
    }
    return all;
  }

 private:
  std::shared_ptr<Ranks> ranks_;
  std::unique_ptr<StepRig> rig_;
};

/// What a call throws; null if it does not.
inline std::exception_ptr error_in(const std::function<void()>& call) {
  try {
    call();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

template <typename Error>
bool is_a(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const Error&) {
    return true;
  } catch (...) {
    return false;
  }
}

inline void expect_no_errors(const std::vector<std::exception_ptr>& errors) {
  for (size_t rank = 0; rank < errors.size(); ++rank) EXPECT_EQ(message_of(errors[rank]), "") << "on rank " << rank;
}

}  // namespace retort::test
