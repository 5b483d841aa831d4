#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <torch/ordered_dict.h>

#include <functional>
#include <string>
#include <vector>

namespace retort::test {

using NamedTensors = torch::OrderedDict<std::string, at::Tensor>;

/// The text of the error that `action` throws, which must be one of Retort's own: a c10::ValueError of one line
/// without a backtrace. Anything else comes back as a text that no test expects.
std::string error_of(const std::function<void()>& action);

/// How far a result of this dtype may be from the truth, as a relative error: 1e-9 for float64, 2e-4 for float32, and
/// what rounding the result costs for half precision.
double tolerance_of(at::ScalarType dtype);

/// Whether shapes are equal and the relative error (the largest difference over the largest expected magnitude, or the
/// largest difference alone if zeros are expected) is at most the tolerance, by default that of `actual`'s dtype.
::testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected, double tolerance);
::testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected);
::testing::AssertionResult close(double actual, double expected, double tolerance);

/// Whether names, shapes, dtypes and every bit of the values are the same.
::testing::AssertionResult same_bits(const at::Tensor& actual, const at::Tensor& expected);
::testing::AssertionResult same_bits(const NamedTensors& actual, const NamedTensors& expected);

/// Expects the same gradients of a loss again where its graph is retained, even if those handed out were changed in
/// place, and none after that.
void expect_graph_is_retained(const at::Tensor& loss, const std::vector<at::Tensor>& inputs);

/// Expects this error where a gradient of a loss is differentiated, be it to the inputs or to the loss's own gradient.
void expect_double_backward_is_refused(
    const at::Tensor& loss, const std::vector<at::Tensor>& inputs, const std::string& error);

/// Copies that later changes do not reach.
NamedTensors copy_of(const NamedTensors& tensors);

/// The state of the default generator.
at::Tensor random_state();

}  // namespace retort::test
