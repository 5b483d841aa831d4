#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace retort::test {

/// What a loss of one tensor of each network takes, in its order.
struct Pair {
  at::Tensor student, teacher;
  /// Tensors to which the loss has no gradient.
  std::vector<at::Tensor> constants = {};
};

using PairLoss = std::function<at::Tensor(const Pair& pair)>;

/// A loss and its gradients.
struct DifferentiatedPair {
  at::Tensor loss, student, teacher;
};

DifferentiatedPair differentiate(const PairLoss& loss, const Pair& pair);

/// The gradient to the student where the teacher requires none.
at::Tensor student_gradient(const PairLoss& loss, const Pair& pair);

/// With every tensor replaced by what `change` makes of it.
Pair changed(const Pair& pair, const std::function<at::Tensor(const at::Tensor&)>& change);

/// With all floating point in float64.
Pair in_float64(const Pair& pair);

/// Whether the loss and both gradients are, as `close` and `same_bits` of one tensor say.
::testing::AssertionResult close(const DifferentiatedPair& actual, const DifferentiatedPair& expected);
::testing::AssertionResult close(
    const DifferentiatedPair& actual, const DifferentiatedPair& expected, double tolerance);
::testing::AssertionResult same_bits(const DifferentiatedPair& actual, const DifferentiatedPair& expected);

}  // namespace retort::test
