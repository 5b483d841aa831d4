#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <tuple>

#include "convolution/conv3x3.h"

namespace retort {

inline std::ostream& operator<<(std::ostream& out, const Conv3x3Shape& shape) {
  return out << shape.batch << " x " << shape.channels << " -> " << shape.filters << " x " << shape.height << " x "
             << shape.width;
}

}  // namespace retort

namespace retort::test {

inline constexpr auto kLast = at::MemoryFormat::ChannelsLast;

/// The operands of a convolution, channels-last, in float32.
struct Operands {
  explicit Operands(const Conv3x3Shape& shape);

  /// The same in another dtype.
  Operands to(at::ScalarType dtype) const;

  at::Tensor input;
  at::Tensor weight;
  at::Tensor gradient;
};

/// What a convolution computes.
struct Passes {
  at::Tensor forward;
  at::Tensor to_data;
  at::Tensor to_weight;
  at::Tensor to_bias;
};

Passes aten(const Operands& operands);
/// Winograd's, whatever is faster.
Passes winograd(const Operands& operands);

/// Whether two results are the same bits.
::testing::AssertionResult same_bits(const Passes& actual, const Passes& expected);

/// Whether an error is at most three times that of the float32 result of ATen, or 5 millionths of the maximum.
::testing::AssertionResult accurate(const at::Tensor& actual, const at::Tensor& of_aten, const at::Tensor& expected);
::testing::AssertionResult accurate(const Passes& actual, const Passes& of_aten, const Passes& expected);

}  // namespace retort::test
