// Convolutions of frozen networks.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/runtime.h>

#include "convolution/conv3x3.h"
#include "expect.h"
#include "seeded_test.h"
#include "winograd.h"

namespace retort::test {
namespace {

using FrozenConv3x3Test = SeededTest;

at::Tensor unfused(const at::Tensor& convolution, const Conv3x3Epilogue& epilogue) {
  at::Tensor result = convolution;
  if (epilogue.scale) result = result * epilogue.scale->view({-1, 1, 1});
  if (epilogue.shift) result = result + epilogue.shift->view({-1, 1, 1});
  if (epilogue.residual) result = result + *epilogue.residual;
  return epilogue.relu ? result.relu() : result;
}

TEST_F(FrozenConv3x3Test, EpilogueIsWhatFollowsTheConvolution) {
  for (const Conv3x3Shape& shape : {Conv3x3Shape{2, 32, 48, 9, 10}, Conv3x3Shape{1, 5, 37, 7, 3}}) {
    const Operands operands(shape);
    const at::Tensor packed = pack_conv3x3(operands.weight);
    const at::Tensor convolution = frozen_conv3x3(operands.input, packed);
    EXPECT_TRUE(close(convolution, at::conv2d(operands.input, operands.weight, {}, 1, 1), 5e-6)) << shape;
    const at::Tensor scale = at::randn({shape.filters});
    const at::Tensor shift = at::randn({shape.filters});
    // In any order, too.
    const at::Tensor residual = at::randn(convolution.sizes());
    for (int which = 0; which < 16; ++which) {
      Conv3x3Epilogue epilogue;
      if (which & 1) epilogue.scale = scale;
      if (which & 2) epilogue.shift = shift;
      if (which & 4) epilogue.residual = residual;
      epilogue.relu = which & 8;
      const at::Tensor result = frozen_conv3x3(operands.input, packed, epilogue);
      EXPECT_TRUE(close(result, unfused(convolution, epilogue), 1e-6)) << shape << ", epilogue " << which;
      EXPECT_TRUE(result.is_contiguous(kLast));
    }
  }
}

TEST_F(FrozenConv3x3Test, ReluKeepsNaN) {
  Operands operands({1, 16, 16, 4, 4});
  operands.input.fill_(NAN);
  Conv3x3Epilogue epilogue;
  epilogue.relu = true;
  EXPECT_TRUE(frozen_conv3x3(operands.input, pack_conv3x3(operands.weight), epilogue).isnan().all().item<bool>());
}

TEST_F(FrozenConv3x3Test, NumberOfThreadsChangesNothing) {
  const Operands operands({1, 64, 96, 7, 7});
  const at::Tensor packed = pack_conv3x3(operands.weight);
  const at::Tensor expected = frozen_conv3x3(operands.input, packed);
  for (const int64_t threads : {2, 3, 5}) {
    set_threads(threads);
    EXPECT_TRUE(same_bits(pack_conv3x3(operands.weight), packed));
    EXPECT_TRUE(same_bits(frozen_conv3x3(operands.input, packed), expected));
  }
}

TEST_F(FrozenConv3x3Test, BatchesMayBeEmpty) {
  const Operands operands({1, 16, 24, 4, 4});
  const at::Tensor result = frozen_conv3x3(at::zeros({0, 16, 5, 6}), pack_conv3x3(operands.weight));
  EXPECT_EQ(result.sizes(), at::IntArrayRef({0, 24, 5, 6}));
}

TEST_F(FrozenConv3x3Test, ShapesAreKnownWithoutValues) {
  for (const int64_t filters : {1, 16, 37, 64}) {
    const Operands operands({1, 20, filters, 3, 5});
    const at::Tensor packed = pack_conv3x3(operands.weight);
    const at::Tensor meta = pack_conv3x3(operands.weight.to(at::kMeta));
    EXPECT_EQ(meta.sizes(), packed.sizes());
    const at::Tensor result = frozen_conv3x3(operands.input.to(at::kMeta), meta);
    EXPECT_EQ(result.sizes(), frozen_conv3x3(operands.input, packed).sizes());
    EXPECT_TRUE(result.is_contiguous(kLast));
  }
}

TEST_F(FrozenConv3x3Test, WrongArgumentsAreRefused) {
  const at::Tensor input = at::zeros({2, 16, 8, 8});
  const at::Tensor packed = pack_conv3x3(at::zeros({32, 16, 3, 3}));
  const auto error = [&](const Conv3x3Epilogue& epilogue) {
    return error_of([&] { frozen_conv3x3(input, packed, epilogue); });
  };
  Conv3x3Epilogue epilogue;
  epilogue.scale = at::zeros({3});
  EXPECT_EQ(error(epilogue), "conv3x3_frozen: scale must be of shape [32] (got [3])");
  epilogue = {};
  epilogue.shift = at::zeros({32}, at::kDouble);
  EXPECT_EQ(error(epilogue), "conv3x3_frozen: input and shift must have the same dtype (got Float and Double)");
  epilogue = {};
  epilogue.residual = at::zeros({2, 32, 8, 7});
  EXPECT_EQ(error(epilogue), "conv3x3_frozen: residual must be of shape [2, 32, 8, 8] (got [2, 32, 8, 7])");
  EXPECT_EQ(
      error_of([&] {
        frozen_conv3x3(input, at::zeros({32, 16, 9}));
      }),
      "conv3x3_frozen: packed must be what conv3x3_pack returned (got [32, 16, 9])");
  EXPECT_EQ(
      error_of([&] {
        frozen_conv3x3(at::zeros({2, 8, 8, 8}), packed);
      }),
      "conv3x3_frozen: input and packed must have the same number of channels (got 8 and 16)");
  EXPECT_EQ(
      error_of([&] { frozen_conv3x3(input.to(at::kDouble), packed); }),
      "conv3x3_frozen: input must be float32 (got Double)");
  EXPECT_EQ(
      error_of([] {
        pack_conv3x3(at::zeros({3, 3}));
      }),
      "conv3x3_pack: weight must be of shape [filters, channels, 3, 3] (got [3, 3])");
  EXPECT_EQ(
      error_of([] {
        pack_conv3x3(at::zeros({2, 3, 3, 3}, at::kHalf));
      }),
      "conv3x3_pack: weight must be float32 (got Half)");
  EXPECT_EQ(
      error_of([] {
        pack_conv3x3(at::zeros({0, 3, 3, 3}));
      }),
      "conv3x3_pack: weight must not be empty (got [0, 3, 3, 3])");
}

}  // namespace
}  // namespace retort::test
