#pragma once

#include <ATen/core/Tensor.h>
#include <retort/losses/criterion.h>

#include <cstdint>
#include <vector>

#include "train/bound_stage.h"
#include "train/gradients.h"
#include "train/numbers.h"

namespace retort {

/// The losses of a batch, and the backward pass from them.
class Backward {
 public:
  /// @param given has the factors by which the gradients of the losses begin
  explicit Backward(GivenNumbers& given) : given_(given) {}

  /// Computes a loss; returns it as a scalar [].
  /// @param factor the place of its root's gradient
  at::Tensor add(const BoundLoss& loss, const CriterionInput& input, int64_t factor);

  /// For a loss of other ranks, which does not apply to the part of this one: the pass goes where theirs go.
  void add_nothing(const CriterionInput& input);

  /// The gradients of the sum of all losses times their factors; undefined where no loss depends on a parameter.
  Gradients run(const std::vector<at::Tensor>& parameters) const;

 private:
  void begin_at(const at::Tensor& tensor, at::Tensor gradient);

  GivenNumbers& given_;
  bool has_loss_ = false;
  /// Where the pass begins, and with which gradients.
  std::vector<at::Tensor> roots_, gradients_;
};

}  // namespace retort
