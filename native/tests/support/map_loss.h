#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace retort::test {

using Maps = std::vector<at::Tensor>;

/// A loss that compares lists of feature maps, with a result for each pair or layer.
using MapLoss = std::function<std::vector<at::Tensor>(const Maps& student, const Maps& teacher)>;

/// The losses, and the gradients of their weighted sum.
struct DifferentiatedMaps {
  std::vector<at::Tensor> losses;
  Maps student, teacher;
};

/// @param weights of the losses in the sum; all 1 if undefined
DifferentiatedMaps differentiate(
    const MapLoss& loss, const Maps& student, const Maps& teacher, const at::Tensor& weights = {});

Maps to(const Maps& maps, at::ScalarType dtype);

/// Whether all losses and gradients are, as `close` and `same_bits` of one tensor say.
::testing::AssertionResult close(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected);
::testing::AssertionResult close(const Maps& actual, const Maps& expected);
::testing::AssertionResult same_bits(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected);
::testing::AssertionResult same_bits(const Maps& actual, const Maps& expected);

/// Whether nothing is infinite or NaN.
bool all_finite(const DifferentiatedMaps& result);

/// The largest magnitude, 0 for an empty tensor.
double largest(const at::Tensor& tensor);

}  // namespace retort::test
