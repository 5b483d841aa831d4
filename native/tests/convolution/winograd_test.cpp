// The kernels of Winograd's convolutions, whatever is faster.
#include "winograd.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/runtime.h>

#include <vector>

#include "seeded_test.h"

namespace retort::test {
namespace {

using WinogradTest = SeededTest;

void expect_accurate(const Conv3x3Shape& shape) {
  const Operands operands(shape);
  EXPECT_TRUE(accurate(winograd(operands), aten(operands), aten(operands.to(at::kDouble)))) << shape;
}

TEST_F(WinogradTest, IsAccurateForEveryHeightAndWidth) {
  for (int64_t height = 1; height <= 9; ++height) {
    for (int64_t width = 1; width <= 9; ++width) expect_accurate({2, 16, 16, height, width});
  }
}

TEST_F(WinogradTest, IsAccurateForEveryNumberOfChannels) {
  for (const int64_t channels : {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65}) {
    expect_accurate({2, channels, 20, 6, 5});
    expect_accurate({2, 20, channels, 6, 5});
    expect_accurate({1, channels, channels, 4, 9});
  }
}

TEST_F(WinogradTest, IsAccurateForEveryBatch) {
  for (const int64_t batch : {1, 2, 3, 5, 16, 33}) expect_accurate({batch, 24, 40, 7, 7});
}

/// The convolutions with stride 1 of RepDistiller's networks and of ImageNet's ResNets, of small batches.
class NetworkWinogradTest : public SeededTest, public ::testing::WithParamInterface<Conv3x3Shape> {};

TEST_P(NetworkWinogradTest, IsAccurate) {
  expect_accurate(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    ResNet20, NetworkWinogradTest,
    ::testing::Values(Conv3x3Shape{4, 16, 16, 32, 32}, Conv3x3Shape{4, 32, 32, 16, 16}, Conv3x3Shape{4, 64, 64, 8, 8}));
INSTANTIATE_TEST_SUITE_P(
    ResNet8x4, NetworkWinogradTest,
    ::testing::Values(
        Conv3x3Shape{2, 32, 32, 32, 32}, Conv3x3Shape{2, 32, 64, 32, 32}, Conv3x3Shape{2, 64, 64, 32, 32},
        Conv3x3Shape{3, 128, 128, 16, 16}, Conv3x3Shape{4, 256, 256, 8, 8}));
INSTANTIATE_TEST_SUITE_P(
    WideResNet, NetworkWinogradTest,
    ::testing::Values(Conv3x3Shape{2, 16, 32, 32, 32}, Conv3x3Shape{2, 16, 16, 32, 32}));
INSTANTIATE_TEST_SUITE_P(
    Vgg8, NetworkWinogradTest,
    ::testing::Values(
        Conv3x3Shape{2, 3, 64, 32, 32}, Conv3x3Shape{2, 64, 128, 16, 16}, Conv3x3Shape{3, 128, 256, 8, 8},
        Conv3x3Shape{4, 256, 512, 4, 4}, Conv3x3Shape{4, 512, 512, 4, 4}));
INSTANTIATE_TEST_SUITE_P(
    ImageNet, NetworkWinogradTest,
    ::testing::Values(
        Conv3x3Shape{1, 64, 64, 56, 56}, Conv3x3Shape{1, 128, 128, 28, 28}, Conv3x3Shape{2, 256, 256, 14, 14},
        Conv3x3Shape{2, 512, 512, 7, 7}));

TEST_F(WinogradTest, SumsOfManyTilesAreAccurate) {
  expect_accurate({64, 16, 16, 32, 32});
}

TEST_F(WinogradTest, NumberOfThreadsChangesNothing) {
  for (const Conv3x3Shape& shape :
       {Conv3x3Shape{1, 16, 16, 5, 5}, Conv3x3Shape{1, 200, 130, 14, 14}, Conv3x3Shape{2, 96, 160, 7, 7},
        Conv3x3Shape{8, 40, 72, 32, 32}, Conv3x3Shape{16, 64, 64, 16, 16}, Conv3x3Shape{4, 256, 256, 8, 8}}) {
    const Operands operands(shape);
    set_threads(1);
    const Passes expected = winograd(operands);
    for (const int64_t threads : {2, 3, 5}) {
      set_threads(threads);
      EXPECT_TRUE(same_bits(winograd(operands), expected)) << shape << " with " << threads << " threads";
    }
  }
}

TEST_F(WinogradTest, OrderOfWeightsInMemoryChangesNothing) {
  Operands operands({2, 24, 40, 6, 7});
  const Passes contiguous = winograd(operands);
  operands.weight = operands.weight.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(same_bits(winograd(operands), contiguous));
}

TEST_F(WinogradTest, NumbersThatAreNotFiniteSpreadWithinTheirTilesOnly) {
  Operands operands({1, 16, 16, 12, 12});
  operands.input.index_put_({at::tensor(0), at::tensor(3), at::tensor(9), at::tensor(9)}, at::tensor(NAN));
  const at::Tensor result = winograd(operands).forward;
  EXPECT_FALSE(at::isfinite(result.slice(2, 8, 11).slice(3, 8, 11)).any().item<bool>());
  // Tiles that the number is not in the patch of.
  EXPECT_TRUE(at::isfinite(result.slice(2, 0, 8)).all().item<bool>());
  EXPECT_TRUE(at::isfinite(result.slice(3, 0, 8)).all().item<bool>());
}

}  // namespace
}  // namespace retort::test
