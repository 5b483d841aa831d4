#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/cross_entropy.h>

namespace retort {

/// CrossEntropyOptions for a number of classes.
class CrossEntropy {
 public:
  /// @throws c10::ValueError if an option is out of range or the class weights are not one for each class
  CrossEntropy(CrossEntropyOptions options, int64_t classes, const at::TensorOptions& logits);

  /// The weight after a number of updates.
  double weight(int64_t step) const { return options_.weight * options_.schedule.at(step); }
  bool needs_labels() const { return options_.weight > 0; }

  /// The loss [], or an undefined tensor if no labelled sample counts.
  /// @param labels int64 [B], -1 for a sample without one
  /// @param weights [B], or undefined
  at::Tensor loss(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) const;

 private:
  CrossEntropyOptions options_;
  at::Tensor class_weights_;
};

}  // namespace retort
