#include "convolution/mode.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <thread>
#include <vector>

#include "expect.h"
#include "winograd.h"

namespace retort::test {
namespace {

struct Layer {
  const char* name;
  std::vector<int64_t> weight;
  int64_t stride = 1;
  int64_t padding = 1;
  int64_t dilation = 1;
  int64_t groups = 1;
};

at::Tensor apply(const Layer& layer, const at::Tensor& input, const at::Tensor& weight) {
  return at::conv2d(input, weight, {}, layer.stride, layer.padding, layer.dilation, layer.groups);
}

at::Tensor direct(const Layer& layer, const at::Tensor& input, const at::Tensor& weight) {
  const ConvolutionMode mode(Convolution::kDirect);
  const auto twice = [](int64_t value) { return std::vector<int64_t>{value, value}; };
  return at::convolution(
      input, weight, {}, twice(layer.stride), twice(layer.padding), twice(layer.dilation), /*transposed=*/false, {0, 0},
      layer.groups);
}

const Layer kConv3x3 = {"3 x 3", {32, 32, 3, 3}};

class ConvolutionModeTest : public SeededTest {
 protected:
  at::Tensor input_ = at::randn({8, 32, 16, 16}).contiguous(kLast);
  at::Tensor weight_ = at::randn(kConv3x3.weight);
};

TEST_F(ConvolutionModeTest, WithoutOneNothingChanges) {
  EXPECT_TRUE(same_bits(apply(kConv3x3, input_, weight_), direct(kConv3x3, input_, weight_)));
}

TEST_F(ConvolutionModeTest, ConvolutionsAreWinograds) {
  const at::Tensor expected = direct(kConv3x3, input_, weight_);
  const ConvolutionMode mode(Convolution::kWinograd);
  const at::Tensor result = apply(kConv3x3, input_, weight_);
  EXPECT_TRUE(close(result, expected, 1e-5));
  EXPECT_FALSE(same_bits(result, expected));
  EXPECT_TRUE(same_bits(result, conv3x3(input_, weight_)));
  EXPECT_TRUE(result.is_contiguous(kLast));
}

TEST_F(ConvolutionModeTest, DirectOnesCanBeAskedFor) {
  const ConvolutionMode outer(Convolution::kWinograd);
  {
    const ConvolutionMode inner(Convolution::kDirect);
    EXPECT_TRUE(same_bits(apply(kConv3x3, input_, weight_), direct(kConv3x3, input_, weight_)));
  }
  EXPECT_TRUE(same_bits(apply(kConv3x3, input_, weight_), conv3x3(input_, weight_))) << "the outer mode is back";
}

TEST_F(ConvolutionModeTest, IsOfItsThread) {
  const ConvolutionMode mode(Convolution::kWinograd);
  at::Tensor elsewhere;
  std::thread([&] { elsewhere = apply(kConv3x3, input_, weight_); }).join();
  EXPECT_TRUE(same_bits(elsewhere, direct(kConv3x3, input_, weight_)));
}

TEST_F(ConvolutionModeTest, OtherConvolutionsStayAsTheyAre) {
  const ConvolutionMode mode(Convolution::kWinograd);
  for (const Layer& layer :
       {Layer{"1 x 1", {32, 32, 1, 1}, 1, 0}, Layer{"5 x 5", {32, 32, 5, 5}, 1, 2}, Layer{"3 x 1", {32, 32, 3, 1}},
        Layer{"stride", {32, 32, 3, 3}, 2}, Layer{"no padding", {32, 32, 3, 3}, 1, 0},
        Layer{"dilation", {32, 32, 3, 3}, 1, 1, 2}, Layer{"groups", {32, 16, 3, 3}, 1, 1, 1, 2}}) {
    const at::Tensor weight = at::randn(layer.weight);
    EXPECT_TRUE(same_bits(apply(layer, input_, weight), direct(layer, input_, weight))) << layer.name;
  }
  for (const at::ScalarType dtype : {at::kDouble, at::kBFloat16}) {
    const at::Tensor input = input_.to(dtype), weight = weight_.to(dtype);
    EXPECT_TRUE(same_bits(apply(kConv3x3, input, weight), direct(kConv3x3, input, weight))) << dtype;
  }
  const at::Tensor image = input_[0];
  EXPECT_TRUE(close(apply(kConv3x3, image, weight_), direct(kConv3x3, input_, weight_)[0], 1e-5)) << "without a batch";
  EXPECT_EQ(apply(kConv3x3, input_.slice(0, 0, 0), weight_).sizes(), (std::vector<int64_t>{0, 32, 16, 16}));
}

TEST_F(ConvolutionModeTest, ErrorsAreLibTorchs) {
  // The first line; after it come addresses.
  const auto error_in = [&](Convolution algorithm, const at::Tensor& weight) {
    const ConvolutionMode mode(algorithm);
    const std::string error = error_of([&] { apply(kConv3x3, input_, weight); });
    return error.substr(0, error.find('\n'));
  };
  for (const at::Tensor& weight : {at::randn({32, 31, 3, 3}), at::randn({32, 32, 3, 3}, at::kDouble)}) {
    EXPECT_EQ(error_in(Convolution::kWinograd, weight), error_in(Convolution::kDirect, weight));
  }
}

TEST_F(ConvolutionModeTest, GradientsAreWinogradsAfterItsEnd) {
  const auto gradients = [&](Convolution algorithm) {
    const at::Tensor input = input_.clone().requires_grad_(), weight = weight_.clone().requires_grad_();
    at::Tensor loss;
    {
      const ConvolutionMode mode(algorithm);
      loss = apply(kConv3x3, input, weight).square().sum();
    }
    return torch::autograd::grad({loss}, {input, weight});
  };
  const auto exact = [&] {
    const at::Tensor input = input_.to(at::kDouble).requires_grad_(), weight = weight_.to(at::kDouble).requires_grad_();
    return torch::autograd::grad({apply(kConv3x3, input, weight).square().sum()}, {input, weight});
  }();
  const auto by_winograd = gradients(Convolution::kWinograd), by_libtorch = gradients(Convolution::kDirect);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_TRUE(close(by_winograd[i].to(at::kDouble), exact[i], 2e-4));
    EXPECT_FALSE(same_bits(by_winograd[i], by_libtorch[i]));
  }
}

TEST_F(ConvolutionModeTest, GradientsOfGradientsAreThere) {
  const ConvolutionMode mode(Convolution::kWinograd);
  const at::Tensor input = input_.clone().requires_grad_();
  const at::Tensor first = torch::autograd::grad(
      {apply(kConv3x3, input, weight_).pow(3).sum()}, {input}, {}, true, /*create_graph=*/true)[0];
  const at::Tensor second = torch::autograd::grad({first.square().sum()}, {input})[0];
  EXPECT_GT(second.abs().max().item<float>(), 0);
}

TEST_F(ConvolutionModeTest, AutoIsEitherAndStaysWithIt) {
  const ConvolutionMode mode(Convolution::kAuto);
  const at::Tensor by_libtorch = direct(kConv3x3, input_, weight_), by_winograd = conv3x3(input_, weight_);
  const at::Tensor first = apply(kConv3x3, input_, weight_);
  EXPECT_TRUE(same_bits(first, by_libtorch) || same_bits(first, by_winograd));
  EXPECT_TRUE(same_bits(apply(kConv3x3, input_, weight_), first));

  const at::Tensor weight = weight_.clone().requires_grad_();
  const at::Tensor learning = apply(kConv3x3, input_, weight);
  EXPECT_TRUE(same_bits(learning.detach(), by_libtorch) || same_bits(learning.detach(), by_winograd));
  const at::Tensor gradient = torch::autograd::grad({learning.sum()}, {weight})[0];
  EXPECT_TRUE(close(gradient, torch::autograd::grad({direct(kConv3x3, input_, weight).sum()}, {weight})[0], 1e-4));
}

TEST_F(ConvolutionModeTest, InferenceModeHasItToo) {
  const c10::InferenceMode inference;
  const ConvolutionMode mode(Convolution::kWinograd);
  EXPECT_TRUE(same_bits(apply(kConv3x3, input_, weight_), conv3x3(input_, weight_)));
}

}  // namespace
}  // namespace retort::test
