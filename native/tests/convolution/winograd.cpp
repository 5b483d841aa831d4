#include "winograd.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "expect.h"
#include "tensor/operators.h"

namespace retort::test {
namespace {

at::Tensor convolve(const at::Tensor& input, const at::Tensor& weight, bool of_gradient) {
  using Optional = const std::optional<at::Tensor>&;
  static const auto op =
      find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, Optional, Optional, Optional, bool, bool)>(
          "retort::_winograd_convolve");
  return op.call(input, weight, {}, {}, {}, /*relu=*/false, of_gradient);
}

/// The largest difference over the largest magnitude.
double error_of(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace

Operands::Operands(const Conv3x3Shape& shape)
    : input(at::randn({shape.batch, shape.channels, shape.height, shape.width}).relu_().contiguous(kLast)),
      weight(
          at::randn({shape.filters, shape.channels, 3, 3}) * std::sqrt(2.0 / static_cast<double>(9 * shape.channels))),
      gradient(at::randn({shape.batch, shape.filters, shape.height, shape.width}).contiguous(kLast)) {}

Operands Operands::to(at::ScalarType dtype) const {
  Operands result = *this;
  for (at::Tensor* tensor : {&result.input, &result.weight, &result.gradient}) *tensor = tensor->to(dtype);
  return result;
}

Passes aten(const Operands& all) {
  const std::array<int64_t, 1> biases = {all.weight.size(0)};
  auto [to_data, to_weight, to_bias] = at::convolution_backward(
      all.gradient, all.input, all.weight, biases, {1, 1}, {1, 1}, {1, 1}, false, {0, 0}, 1, {true, true, true});
  return {at::conv2d(all.input, all.weight, {}, 1, 1), to_data, to_weight, to_bias};
}

Passes winograd(const Operands& all) {
  static const auto to_weight = find_operator<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>(
      "retort::_winograd_weight_gradient");
  static const auto to_bias = find_operator<at::Tensor(const at::Tensor&)>("retort::_sum_positions");
  return {
      convolve(all.input, all.weight, false), convolve(all.gradient, all.weight, true),
      to_weight.call(all.gradient, all.input, all.weight), to_bias.call(all.gradient)};
}

::testing::AssertionResult same_bits(const Passes& actual, const Passes& expected) {
  for (const auto& [name, pass] :
       {std::pair{"forward", &Passes::forward}, std::pair{"to data", &Passes::to_data},
        std::pair{"to weight", &Passes::to_weight}, std::pair{"to bias", &Passes::to_bias}}) {
    if (const auto result = same_bits(actual.*pass, expected.*pass); !result) {
      return ::testing::AssertionFailure() << name << ": " << result.message();
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult accurate(const at::Tensor& actual, const at::Tensor& of_aten, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) {
    return ::testing::AssertionFailure() << "sizes are " << actual.sizes() << ", not " << expected.sizes();
  }
  const double error = error_of(actual, expected);
  const double allowed = std::max(3 * error_of(of_aten, expected), 5e-6);
  // NaN is no success.
  if (error <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "the error is " << error << ", more than " << allowed;
}

::testing::AssertionResult accurate(const Passes& actual, const Passes& of_aten, const Passes& expected) {
  for (const auto& [name, pass] :
       {std::pair{"forward", &Passes::forward}, std::pair{"to data", &Passes::to_data},
        std::pair{"to weight", &Passes::to_weight}, std::pair{"to bias", &Passes::to_bias}}) {
    if (const auto result = accurate(actual.*pass, of_aten.*pass, expected.*pass); !result) {
      return ::testing::AssertionFailure() << name << ": " << result.message();
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace retort::test
