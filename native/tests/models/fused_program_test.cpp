#include "models/torchscript/fused_program.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/networks.h>
#include <retort/train/training_step.h>

#include <memory>
#include <string>
#include <vector>

#include "convolution/mode.h"
#include "expect.h"
#include "models/network_state.h"
#include "models/torchscript/features.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::same_bits;

[[noreturn]] void refuse(const std::string& reason) {
  throw std::runtime_error(reason);
}

/// A convolution `conv(x)` of 32 channels, its BatchNorm `norm(y)`, and a forward pass of these lines.
torch::jit::Module program(const std::string& lines, at::ScalarType dtype = at::kFloat) {
  torch::jit::Module module("Net");
  module.register_attribute("training", c10::BoolType::get(), true);
  const auto add = [&](const char* name, const at::Tensor& value) {
    module.register_parameter(name, value.to(dtype).requires_grad_(), /*is_buffer=*/false);
  };
  add("weight", at::randn({32, 32, 3, 3}) / 17);
  add("gamma", at::rand({32}) + 0.5);
  add("beta", at::randn({32}));
  module.register_buffer("mean", at::randn({32}, dtype));
  module.register_buffer("variance", at::rand({32}, dtype) + 0.5);
  module.define(R"(
def conv(self, x):
    return torch.conv2d(x, self.weight, None, [1, 1], [1, 1])

def norm(self, y):
    return torch.batch_norm(y, self.gamma, self.beta, self.mean, self.variance, self.training, 0.1, 1e-5, True)

def forward(self, x):
)" + lines);
  module.eval();
  return module;
}

class FusedProgramTest : public test::SeededTest {
 protected:
  at::Tensor images() const { return images_.clone(at::MemoryFormat::Preserve); }

  /// Expects what the program as it is written computes, with so many convolutions fused.
  void expect_same(const std::string& lines, int64_t fused) const {
    SCOPED_TRACE(lines);
    torch::jit::Module written = program(lines);
    const auto expected = written.forward({images()}).toTuple();
    const FusedProgram program(written);
    EXPECT_EQ(program.fused(), fused);
    for (const Convolution algorithm : {Convolution::kDirect, Convolution::kWinograd}) {
      const ConvolutionMode mode(algorithm);
      const ProgramOutput output = program.run(images(), refuse);
      EXPECT_TRUE(close(output.logits, expected->elements()[0].toTensor(), 1e-5));
      const std::vector<at::Tensor> features = output.features.toTensorVector();
      const std::vector<at::Tensor> of_written = expected->elements()[1].toTensorVector();
      ASSERT_EQ(features.size(), of_written.size());
      for (size_t i = 0; i < features.size(); ++i) EXPECT_TRUE(close(features[i], of_written[i], 1e-5)) << i;
    }
  }

  const at::Tensor images_ = at::randn({4, 32, 12, 12}).contiguous(at::MemoryFormat::ChannelsLast);
};

TEST_F(FusedProgramTest, WhatFollowsAConvolutionIsFused) {
  expect_same("    y = self.norm(self.conv(x))\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = self.norm(self.conv(x)).relu_()\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = torch.relu(self.norm(self.conv(x)) + x)\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = torch.relu(x + self.norm(self.conv(x)))\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = self.norm(self.conv(x)).add_(x)\n    return y.mean([2, 3]), [y, y.relu()]\n", 1);
  expect_same(
      "    y = self.norm(self.conv(x)).relu_()\n"
      "    z = self.norm(self.conv(y)).add_(x).relu_()\n"
      "    return z.mean([2, 3]), [y, z]\n",
      2);
}

TEST_F(FusedProgramTest, WhatIsUsedElsewhereStays) {
  expect_same("    c = self.conv(x)\n    y = self.norm(c)\n    return y.mean([2, 3]), [c, y]\n", 0);
  expect_same("    b = self.norm(self.conv(x))\n    y = torch.relu(b)\n    return y.mean([2, 3]), [b, y]\n", 1);
  expect_same("    b = self.norm(self.conv(x))\n    y = b + b\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    b = self.norm(self.conv(x))\n    y = b + x\n    return y.mean([2, 3]), [b, y.relu()]\n", 1);
}

TEST_F(FusedProgramTest, OtherSumsStay) {
  expect_same("    y = torch.add(self.norm(self.conv(x)), x, alpha=2)\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = self.norm(self.conv(x)) + 1.5\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = self.norm(self.conv(x)) + x.mean()\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    y = self.norm(self.conv(x)) + x.mean([0], True)\n    return y.mean([2, 3]), [y]\n", 1);
  expect_same("    z = x.clone()\n    y = z.add_(self.norm(self.conv(x)))\n    return y.mean([2, 3]), [y, z]\n", 1);
}

TEST_F(FusedProgramTest, WritesInBetweenKeepTheirPlace) {
  expect_same("    c = self.conv(x)\n    x.add_(1)\n    y = self.norm(c)\n    return y.mean([2, 3]), [x, y]\n", 0);
  expect_same(
      "    b = self.norm(self.conv(x))\n    x.mul_(2)\n    y = (b + x).relu_()\n    return y.mean([2, 3]), [x, y]\n",
      1);
  expect_same(
      "    y = self.norm(self.conv(x)) + x\n    x.mul_(2)\n    z = y.relu_()\n    return z.mean([2, 3]), [x, z]\n", 1);
}

TEST_F(FusedProgramTest, OthersAreLeftAlone) {
  expect_same(
      "    y = self.norm(torch.conv2d(x, self.weight, None, [2, 2], [1, 1]))\n    return y.mean([2, 3]), [y]\n", 0);
  expect_same(
      "    y = torch.batch_norm(self.conv(x), self.gamma, self.beta, None, None, True, 0.1, 1e-5, True)\n"
      "    return y.mean([2, 3]), [y]\n",
      0);
  expect_same(
      "    y = x\n    if x.size(0) > 2:\n        y = self.norm(self.conv(x))\n    return y.mean([2, 3]), [y]\n", 0);
}

TEST_F(FusedProgramTest, OtherWeightsAndDtypesAreComputed) {
  const std::string lines = "    y = self.norm(torch.conv2d(x, self.weight[:, :, :1, :1], None, [1, 1], [1, 1]))\n";
  expect_same(lines + "    return y.mean([2, 3]), [y]\n", 1);

  torch::jit::Module exact =
      program("    y = self.norm(self.conv(x)).relu_()\n    return y.mean([2, 3]), [y]\n", at::kDouble);
  const at::Tensor input = images().to(at::kDouble);
  const FusedProgram fused(exact);
  const ConvolutionMode mode(Convolution::kWinograd);
  EXPECT_TRUE(
      same_bits(fused.run(input, refuse).logits, exact.forward({input}).toTuple()->elements()[0].toTensor().detach()));
}

TEST_F(FusedProgramTest, ItReadsTheWeightsOfTheMoment) {
  torch::jit::Module written = program("    y = self.norm(self.conv(x)).relu_()\n    return y.mean([2, 3]), [y]\n");
  const FusedProgram fused(written);
  const ConvolutionMode mode(Convolution::kWinograd);
  for (int i = 0; i < 2; ++i) {
    const ProgramOutput output = fused.run(images(), refuse);
    EXPECT_FALSE(output.logits.requires_grad());
    EXPECT_TRUE(close(output.logits, written.forward({images()}).toTuple()->elements()[0].toTensor(), 1e-5));
    EXPECT_TRUE(same_bits(fused.run(images(), refuse).logits, output.logits));
    const at::NoGradGuard no_gradients;
    for (const at::Tensor& tensor : written.parameters()) tensor.add_(0.1);
    for (const at::Tensor& tensor : written.buffers()) tensor.mul_(1.5);
  }
}

TEST_F(FusedProgramTest, ErrorsAreRefusals) {
  const FusedProgram fused(program("    y = self.norm(self.conv(x))\n    return y.mean([2, 3]), [y]\n"));
  EXPECT_THROW(fused.run(at::zeros({2, 3, 4, 4}), refuse), std::runtime_error);
}

class FusedNetworkTest : public FusedProgramTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(FusedNetworkTest, ComputesTheSame) {
  const auto network = make_network(GetParam(), 10);
  const at::Tensor input = at::randn({2, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast);
  for (int i = 0; i < 2; ++i) network->forward(input);
  network->eval();
  NetworkState& state = NetworkState::of(*network);
  const auto fused = state.evaluate_fused(input);
  ASSERT_TRUE(fused);
  network->set_convolution(Convolution::kDirect);
  EXPECT_FALSE(state.evaluate_fused(input));
  const NetworkOutput expected = network->forward(input);
  EXPECT_TRUE(close(fused->logits, expected.logits, 1e-4));
  EXPECT_FALSE(same_bits(fused->logits, expected.logits.detach()));
  ASSERT_EQ(fused->features.size(), expected.features.size());
  for (size_t i = 0; i < expected.features.size(); ++i) {
    EXPECT_TRUE(close(fused->features[i], expected.features[i], 1e-4)) << network->tap_names()[i];
  }
}

INSTANTIATE_TEST_SUITE_P(
    Networks, FusedNetworkTest, ::testing::Values("resnet8x4", "resnet20", "wrn_16_2", "vgg8", "resnet18", "resnet50"),
    [](const ::testing::TestParamInfo<const char*>& one) { return std::string(one.param); });

TEST_F(FusedProgramTest, ItFollowsATraining) {
  const auto sgd = std::make_shared<SgdOptions>();
  sgd->learning_rate = 0.1;
  const auto adam = std::make_shared<AdamOptions>();
  adam->learning_rate = 0.01;
  for (const std::shared_ptr<OptimizerOptions>& optimizer : {std::shared_ptr<OptimizerOptions>(sgd), {adam}}) {
    TrainingStepOptions options;
    options.student = make_network("resnet8x4", 10);
    options.input_shape = {3, 32, 32};
    options.optimizer = optimizer;
    TrainingStep step(options);
    Batch batch;
    batch.images = at::randn({8, 3, 32, 32});
    batch.labels = at::randint(10, {8}, at::kLong);
    StepResult result;
    const at::Tensor input = batch.images.contiguous(at::MemoryFormat::ChannelsLast);
    for (int i = 0; i < 3; ++i) {
      step.run(batch, result);
      options.student->eval();
      const auto fused = NetworkState::of(*options.student).evaluate_fused(input);
      ASSERT_TRUE(fused);
      EXPECT_TRUE(close(fused->logits, options.student->forward(input).logits, 1e-4)) << i;
      options.student->train();
    }
  }
}

TEST_F(FusedProgramTest, NetworksWithoutFusableConvolutionsRunThemselves) {
  const auto network = make_network("mobilenet_v2", 10);
  EXPECT_TRUE(NetworkState::of(*network).evaluate(at::randn({2, 3, 32, 32})).logits.defined());
}

}  // namespace
}  // namespace retort
