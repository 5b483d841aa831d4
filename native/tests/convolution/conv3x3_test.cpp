// The operator retort::conv3x3.
#include "convolution/conv3x3.h"

#include <ATen/Functions.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>

#include <optional>
#include <vector>

#include "expect.h"
#include "peak_memory.h"
#include "seeded_test.h"
#include "winograd.h"

namespace retort::test {
namespace {

using Conv3x3Test = SeededTest;

/// One that is Winograd's, and one that is ATen's.
const Conv3x3Shape kFast = {4, 64, 64, 16, 16};
const Conv3x3Shape kSlow = {2, 3, 5, 6, 7};

at::Tensor conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(input, weight, bias.defined() ? std::optional(bias) : std::nullopt, 1, 1);
}

at::Tensor ours(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return conv3x3(input, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

/// Input, weight and bias that want gradients, and the gradient of the result.
struct Leaves {
  explicit Leaves(const Conv3x3Shape& shape, at::ScalarType dtype = at::kFloat) {
    const Operands operands = Operands(shape).to(dtype);
    gradient = operands.gradient;
    all = {
        operands.input.requires_grad_(), operands.weight.requires_grad_(),
        at::randn({shape.filters}, dtype).requires_grad_()};
  }

  Leaves to(at::ScalarType dtype) const {
    Leaves result = *this;
    result.gradient = gradient.to(dtype);
    for (at::Tensor& leaf : result.all) leaf = leaf.detach().to(dtype).requires_grad_(leaf.requires_grad());
    return result;
  }

  at::Tensor result() const { return ours(all[0], all[1], all[2]); }
  at::Tensor result_of_aten() const { return conv2d(all[0], all[1], all[2]); }

  std::vector<at::Tensor> gradients(const at::Tensor& of, bool retain = false) const {
    return torch::autograd::grad({of}, all, {gradient}, retain);
  }

  at::Tensor gradient;
  std::vector<at::Tensor> all;
};

TEST_F(Conv3x3Test, IsConv2dWithItsGradients) {
  ASSERT_TRUE(winograd_is_faster(kFast));
  ASSERT_FALSE(winograd_is_faster(kSlow));
  for (const Conv3x3Shape& shape : {kFast, kSlow}) {
    const Leaves leaves(shape);
    const Leaves wide = leaves.to(at::kDouble);
    const at::Tensor result = leaves.result();
    const at::Tensor of_aten = leaves.result_of_aten();
    const at::Tensor expected = wide.result_of_aten();
    EXPECT_TRUE(accurate(result.detach(), of_aten.detach(), expected.detach())) << shape;
    const auto gradients = leaves.gradients(result);
    const auto gradients_of_aten = leaves.gradients(of_aten);
    const auto expected_gradients = wide.gradients(expected);
    for (size_t i = 0; i < gradients.size(); ++i) {
      EXPECT_TRUE(accurate(gradients[i], gradients_of_aten[i], expected_gradients[i])) << shape << " gradient " << i;
    }
  }
}

TEST_F(Conv3x3Test, WinogradIsFasterWhereItWasMeasured) {
  for (const Conv3x3Shape& shape :
       {Conv3x3Shape{64, 16, 16, 32, 32}, Conv3x3Shape{64, 32, 64, 32, 32}, Conv3x3Shape{64, 256, 256, 8, 8},
        Conv3x3Shape{16, 512, 512, 7, 7}, Conv3x3Shape{1, 64, 64, 56, 56}}) {
    EXPECT_TRUE(winograd_is_faster(shape)) << shape;
  }
  for (const Conv3x3Shape& shape :
       {Conv3x3Shape{0, 64, 64, 32, 32}, Conv3x3Shape{64, 3, 64, 32, 32}, Conv3x3Shape{64, 64, 64, 1, 1},
        Conv3x3Shape{64, 64, 64, 2, 2}, Conv3x3Shape{64, 64, 64, 5, 5}, Conv3x3Shape{64, 20, 20, 16, 16},
        Conv3x3Shape{1, 512, 512, 7, 7}}) {
    EXPECT_FALSE(winograd_is_faster(shape)) << shape;
  }
  Conv3x3Use packed;
  packed.packed = true;
  EXPECT_TRUE(winograd_is_faster({1, 512, 512, 7, 7}, packed));
  Conv3x3Use contiguous;
  contiguous.channels_last = false;
  EXPECT_FALSE(winograd_is_faster({64, 16, 16, 32, 32}, contiguous));
  EXPECT_TRUE(winograd_is_faster({64, 64, 64, 32, 32}, contiguous));
}

TEST_F(Conv3x3Test, BiasIsOptional) {
  const Operands operands(kFast);
  const at::Tensor bias = at::randn({kFast.filters});
  const at::Tensor without = conv3x3(operands.input, operands.weight);
  EXPECT_TRUE(same_bits(conv3x3(operands.input, operands.weight, at::Tensor()), without));
  EXPECT_TRUE(close(conv3x3(operands.input, operands.weight, bias), without + bias.view({-1, 1, 1}), 1e-6));
}

TEST_F(Conv3x3Test, ResultHasTheFormatOfTheInput) {
  for (const Conv3x3Shape& shape : {kFast, kSlow}) {
    Leaves leaves(shape);
    for (const at::MemoryFormat format : {kLast, at::MemoryFormat::Contiguous}) {
      for (const at::MemoryFormat of_weight : {kLast, at::MemoryFormat::Contiguous}) {
        leaves.all[0] = leaves.all[0].detach().contiguous(format).requires_grad_();
        leaves.all[1] = leaves.all[1].detach().contiguous(of_weight).requires_grad_();
        const at::Tensor result = leaves.result();
        const auto gradients = leaves.gradients(result);
        EXPECT_TRUE(result.is_contiguous(format));
        EXPECT_TRUE(gradients[0].is_contiguous(format));
        EXPECT_TRUE(gradients[1].is_contiguous(of_weight));
      }
    }
  }
}

TEST_F(Conv3x3Test, FormatsChangeNoBit) {
  const Operands operands(kFast);
  const at::Tensor expected = conv3x3(operands.input, operands.weight);
  EXPECT_TRUE(same_bits(conv3x3(operands.input.contiguous(), operands.weight).contiguous(kLast), expected));
  const at::Tensor wide = at::zeros({kFast.batch, 2 * kFast.channels, kFast.height, kFast.width + 3});
  const at::Tensor strided = wide.slice(1, 0, 2 * kFast.channels, 2).slice(3, 2, 2 + kFast.width);
  strided.copy_(operands.input);
  EXPECT_TRUE(same_bits(conv3x3(strided, operands.weight).contiguous(kLast), expected));
  // The gradient of the result is in any order, too.
  const Leaves leaves(kFast);
  const auto gradients = leaves.gradients(leaves.result());
  const auto others =
      torch::autograd::grad({leaves.result()}, leaves.all, {leaves.gradient.contiguous(at::MemoryFormat::Contiguous)});
  for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(same_bits(others[i], gradients[i]));
}

TEST_F(Conv3x3Test, OtherDtypesAreAtens) {
  for (const at::ScalarType dtype : {at::kDouble, at::kBFloat16}) {
    const Leaves leaves(kFast, dtype);
    const at::Tensor result = leaves.result();
    const at::Tensor expected = leaves.result_of_aten();
    EXPECT_TRUE(same_bits(result.detach(), expected.detach())) << dtype;
    const auto gradients = leaves.gradients(result);
    const auto expected_gradients = leaves.gradients(expected);
    for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(same_bits(gradients[i], expected_gradients[i]));
  }
}

TEST_F(Conv3x3Test, AutocastIsAtens) {
  const Operands operands(kFast);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor result = conv3x3(operands.input, operands.weight);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(result.scalar_type(), at::kBFloat16);
}

TEST_F(Conv3x3Test, OnlyWantedGradientsAreComputed) {
  for (const Conv3x3Shape& shape : {kFast, kSlow}) {
    Leaves leaves(shape);
    const auto expected = leaves.gradients(leaves.result());
    for (size_t wanted = 0; wanted < leaves.all.size(); ++wanted) {
      for (size_t i = 0; i < leaves.all.size(); ++i) {
        leaves.all[i] = leaves.all[i].detach();
        leaves.all[i].set_requires_grad(i == wanted);
      }
      leaves.result().backward(leaves.gradient);
      for (size_t i = 0; i < leaves.all.size(); ++i) {
        EXPECT_EQ(leaves.all[i].grad().defined(), i == wanted);
      }
      EXPECT_TRUE(same_bits(leaves.all[wanted].grad(), expected[wanted])) << shape << " gradient " << wanted;
    }
  }
}

TEST_F(Conv3x3Test, NothingIsRecordedWhereNothingWantsGradients) {
  const Operands operands(kFast);
  EXPECT_FALSE(conv3x3(operands.input, operands.weight).requires_grad());
  const Leaves leaves(kFast);
  const at::NoGradGuard guard;
  EXPECT_FALSE(leaves.result().requires_grad());
}

TEST_F(Conv3x3Test, GraphCanBeRetained) {
  const Leaves leaves(kFast);
  const at::Tensor result = leaves.result();
  const auto first = leaves.gradients(result, /*retain=*/true);
  const auto copies = std::vector<at::Tensor>{first[0].clone(), first[1].clone(), first[2].clone()};
  for (const at::Tensor& gradient : first) gradient.zero_();
  const auto second = leaves.gradients(result);
  for (size_t i = 0; i < copies.size(); ++i) EXPECT_TRUE(same_bits(second[i], copies[i]));
  EXPECT_THROW(leaves.gradients(result), c10::Error);
}

TEST_F(Conv3x3Test, ChangedOperandsAreNoticed) {
  const Leaves leaves(kFast);
  const at::Tensor result = leaves.result();
  {
    const at::NoGradGuard guard;
    leaves.all[1].mul_(2);
  }
  EXPECT_THROW(leaves.gradients(result), c10::Error);
}

TEST_F(Conv3x3Test, GradientsCanBeDifferentiated) {
  const Leaves leaves({2, 16, 16, 8, 8});
  const auto second_of = [&](const Leaves& of, const at::Tensor& result) {
    const auto gradients = torch::autograd::grad({result.square()}, of.all, {of.gradient}, true, true);
    return torch::autograd::grad({gradients[0].square().sum() + gradients[1].square().sum()}, of.all);
  };
  const Leaves wide = leaves.to(at::kDouble);
  const auto second = second_of(leaves, leaves.result());
  const auto expected = second_of(wide, wide.result_of_aten());
  for (size_t i = 0; i < second.size(); ++i) EXPECT_TRUE(close(second[i].to(at::kDouble), expected[i], 1e-5));
}

TEST_F(Conv3x3Test, InferenceTensorsCanBeInputs) {
  Leaves leaves(kFast);
  const auto expected = leaves.gradients(leaves.result())[1];
  const at::Tensor input = [&] {
    const c10::InferenceMode mode;
    return leaves.all[0].detach().clone();
  }();
  const at::Tensor result = ours(input, leaves.all[1], leaves.all[2]);
  EXPECT_TRUE(same_bits(torch::autograd::grad({result}, {leaves.all[1]}, {leaves.gradient})[0], expected));
}

TEST_F(Conv3x3Test, BatchesMayBeEmpty) {
  for (Conv3x3Shape shape : {kFast, kSlow}) {
    shape.batch = 0;
    const Leaves leaves(shape);
    const at::Tensor result = leaves.result();
    EXPECT_EQ(result.sizes(), at::IntArrayRef({0, shape.filters, shape.height, shape.width}));
    const auto gradients = leaves.gradients(result);
    EXPECT_EQ(gradients[0].sizes(), leaves.all[0].sizes());
    EXPECT_TRUE(same_bits(gradients[1], at::zeros_like(leaves.all[1])));
  }
}

TEST_F(Conv3x3Test, ShapesAreKnownWithoutValues) {
  const auto meta = at::TensorOptions(at::kMeta);
  const at::Tensor result = conv3x3(
      at::empty({2, 64, 9, 8}, meta.memory_format(kLast)), at::empty({32, 64, 3, 3}, meta), at::empty({32}, meta));
  EXPECT_EQ(result.sizes(), at::IntArrayRef({2, 32, 9, 8}));
  EXPECT_TRUE(result.is_contiguous(kLast));
}

TEST_F(Conv3x3Test, MemoryDoesNotGrow) {
  const Leaves leaves(kFast);
  const auto run = [&] { leaves.gradients(leaves.result()); };
  const auto peak_of = [&](int runs) {
    return peak_memory([&] {
      for (int i = 0; i < runs; ++i) run();
    });
  };
  run();
  const std::optional<int64_t> once = peak_of(1);
  if (!once) GTEST_SKIP() << "the kernel does not tell the peak";
  EXPECT_LE(*peak_of(20), *once + (int64_t{1} << 18));
  // The weights, four times as large, twice: for the result and for the gradient of the input. The sums of the
  // gradient of the weights, and a few blocks of tiles.
  EXPECT_LE(*once, int64_t{4} << 20);
}

TEST_F(Conv3x3Test, WrongArgumentsAreRefused) {
  const at::Tensor input = at::zeros({2, 16, 8, 8});
  const at::Tensor weight = at::zeros({32, 16, 3, 3});
  const auto error = [](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c = {}) {
    return error_of([&] { ours(a, b, c); });
  };
  EXPECT_EQ(error({}, weight), "conv3x3: input must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error(input[0], weight), "conv3x3: input must be of shape [batch, channels, height, width] (got [16, 8, 8])");
  EXPECT_EQ(
      error(at::zeros({2, 16, 0, 8}), weight), "conv3x3: input must have a height and a width (got [2, 16, 0, 8])");
  EXPECT_EQ(
      error(at::zeros({2, 16, 8, 0}), weight), "conv3x3: input must have a height and a width (got [2, 16, 8, 0])");
  EXPECT_EQ(error(input, {}), "conv3x3: weight must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error(input, at::zeros({32, 16, 3, 1})),
      "conv3x3: weight must be of shape [filters, channels, 3, 3] (got [32, 16, 3, 1])");
  EXPECT_EQ(
      error(input, at::zeros({32, 8, 3, 3})),
      "conv3x3: input and weight must have the same number of channels (got 16 and 8)");
  EXPECT_EQ(error(input, weight, at::zeros({31})), "conv3x3: bias must be of shape [32] (got [31])");
  EXPECT_EQ(
      error(input, weight.to(at::kDouble)),
      "conv3x3: input and weight must have the same dtype (got Float and Double)");
  EXPECT_EQ(
      error(input, weight, at::zeros({32}, at::kDouble)),
      "conv3x3: input and bias must have the same dtype (got Float and Double)");
}

}  // namespace
}  // namespace retort::test
