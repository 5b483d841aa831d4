#pragma once

#include <retort/losses/criterion.h>

#include <functional>
#include <string>

namespace retort::test {

/// A criterion as a user might write one, with a parameter and buffers: the mean squared difference between the
/// teacher's first tap [B, t] and the student's first tap [B, s] times a trained matrix `projection` [s, t]. The buffer
/// `calls` counts forward passes, the buffer `memory` [t] is the mean of the teacher's last tap.
struct ProjectionOptions : CriterionOptions {
  /// Called with what check_batch and draw are told, and the name of either.
  std::function<void(const std::string& name, const CriterionBatch& batch)> when_told;
  /// Called at the end of forward with the loss; what it returns becomes the loss.
  std::function<at::Tensor(const at::Tensor& loss)> in_forward;
  /// Called at the end of after_step.
  std::function<void()> in_after_step;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
};

}  // namespace retort::test
