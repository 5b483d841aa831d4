#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/cross_entropy.h>

#include <optional>

namespace retort {

/// CrossEntropyOptions for a number of classes.
class CrossEntropy {
 public:
  struct Result {
    double loss;
    /// Of the loss by the logits, in their dtype.
    at::Tensor gradient;
  };

  struct ResultOnDevice {
    /// float64 []
    at::Tensor loss;
    /// Of the loss by the logits, in their dtype.
    at::Tensor gradient;
  };

  /// @throws c10::ValueError if an option is out of range or the class weights are not one for each class
  CrossEntropy(CrossEntropyOptions options, int64_t classes);

  /// The weight after a number of updates.
  double weight(int64_t step) const { return options_.weight * options_.schedule.at(step); }
  bool needs_labels() const { return options_.weight > 0; }

  /// How much all labelled samples count together; 0 if none counts.
  /// @param labels int64 [B], -1 for a sample without one
  /// @param weights [B], or undefined
  double norm(const at::Tensor& labels, const at::Tensor& weights) const;

  /// The loss and its gradient in one pass, in float64 for float64, in float32 for everything else; nothing if no
  /// labelled sample counts. What a sample that does not count holds makes no difference.
  /// @param labels int64 [B], -1 for a sample without one
  /// @param weights [B], or undefined
  /// @param factor times the gradient
  std::optional<Result> differentiate(
      const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights, double factor) const;

  /// The same where the logits are, which nobody waits for.
  /// @param inverse_norm float64 [], 1 / norm() of the same labels and weights
  /// @param factor float64 [], times the gradient
  ResultOnDevice differentiate_on_device(
      const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights, const at::Tensor& inverse_norm,
      const at::Tensor& factor);

 private:
  /// What a sample of this label counts beside its own weight.
  double class_weight(int64_t label) const {
    return options_.class_weights.empty() ? 1 : options_.class_weights[static_cast<size_t>(label)];
  }
  /// One sample's share of the loss; writes its share of the gradient, times the factor.
  template <typename T>
  double differentiate_row(
      const T* logits, int64_t classes, int64_t label, double share, double factor, T* gradient) const;

  CrossEntropyOptions options_;
  /// The class weights where the logits are; undefined where there are none, or before they are needed.
  at::Tensor class_weights_;
};

}  // namespace retort
