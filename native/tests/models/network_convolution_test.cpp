// Networks with each algorithm of their convolutions.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/network.h>
#include <retort/models/networks.h>
#include <retort/models/torchscript.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/nn/modules/conv.h>

#include <memory>
#include <string>
#include <vector>

#include "expect.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::same_bits;

std::shared_ptr<Network> native_network() {
  return make_network("resnet8x4", 5);
}

/// A network as a user might write one.
class OwnNetwork final : public Network {
 public:
  OwnNetwork() : Network({"map"}) {
    conv_ = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 32, 3).padding(1)));
    second_ = register_module("second", torch::nn::Conv2d(torch::nn::Conv2dOptions(32, 32, 3).padding(1)));
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor map = second_->forward(conv_->forward(images).relu());
    return {map.mean({2, 3}), {map}};
  }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::Conv2d second_{nullptr};
};

class NetworkConvolutionTest : public test::SeededTest {
 protected:
  /// Expects logits and gradients that differ by rounding alone.
  void expect_either(Network& network) const {
    const auto run = [&](Convolution algorithm, at::Tensor& logits) {
      network.set_convolution(algorithm);
      network.zero_grad();
      const at::Tensor output = network.forward(images_).logits;
      output.square().sum().backward();
      logits = output.detach();
      std::vector<at::Tensor> gradients;
      for (const at::Tensor& parameter : network.parameters()) gradients.push_back(parameter.grad().clone());
      return gradients;
    };
    at::Tensor by_winograd, by_libtorch;
    const std::vector<at::Tensor> gradients = run(Convolution::kWinograd, by_winograd);
    const std::vector<at::Tensor> expected = run(Convolution::kDirect, by_libtorch);
    EXPECT_TRUE(close(by_winograd, by_libtorch, 1e-5));
    EXPECT_FALSE(same_bits(by_winograd, by_libtorch)) << "both are the same algorithm";
    ASSERT_EQ(gradients.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(close(gradients[i], expected[i], 1e-4)) << i;
  }

  test::TemporaryFolder folder_;
  const at::Tensor images_ = at::randn({4, 3, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast);
};

TEST_F(NetworkConvolutionTest, NativeNetworksHaveTheirChoice) {
  const auto network = native_network();
  EXPECT_EQ(network->convolution(), Convolution::kWinograd);
  network->eval();  // BatchNorms of few values would multiply what is rounded.
  expect_either(*network);
  EXPECT_EQ(network->convolution(), Convolution::kDirect);
}

TEST_F(NetworkConvolutionTest, OwnNetworksHaveTheirChoice) {
  OwnNetwork network;
  expect_either(network);
}

TEST_F(NetworkConvolutionTest, ProgramsHaveTheirChoice) {
  const auto network = native_network();
  network->eval();
  network->save_torchscript(folder_.file("network.ts"));
  const auto loaded = load_torchscript(folder_.file("network.ts"));
  loaded->eval();
  EXPECT_TRUE(same_bits(loaded->forward(images_).logits, network->forward(images_).logits));
  expect_either(*loaded);
}

TEST_F(NetworkConvolutionTest, TracedProgramsHaveTheirChoice) {
  torch::jit::Module module("Net");
  module.register_parameter("weight", (at::randn({32, 3, 3, 3}) / 5).requires_grad_(), /*is_buffer=*/false);
  module.register_parameter("second", (at::randn({32, 32, 3, 3}) / 17).requires_grad_(), /*is_buffer=*/false);
  // As torch.jit.trace records a convolution.
  module.define(R"(
def forward(self, x):
    y = torch._convolution(x, self.weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, False, False, True, True)
    z = torch._convolution(y.relu(), self.second, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, False, False, True, True)
    return z.mean([2, 3]), [z]
)");
  const at::Tensor expected = module.forward({images_}).toTuple()->elements()[0].toTensor();
  module.save(folder_.file("traced.ts"));
  const auto loaded = load_torchscript(folder_.file("traced.ts"));
  expect_either(*loaded);
  loaded->set_convolution(Convolution::kDirect);
  EXPECT_TRUE(same_bits(loaded->forward(images_).logits, expected));
}

TEST_F(NetworkConvolutionTest, PublishedWeightsHaveIt) {
  const auto network = native_network();
  network->publish();
  network->eval();
  const at::Tensor by_winograd = network->predict(images_);
  EXPECT_TRUE(same_bits(by_winograd, network->forward(images_).logits.detach()));
  network->set_convolution(Convolution::kDirect);
  const at::Tensor by_libtorch = network->predict(images_);
  EXPECT_TRUE(same_bits(by_libtorch, network->forward(images_).logits.detach()));
  EXPECT_FALSE(same_bits(by_winograd, by_libtorch));
}

TEST_F(NetworkConvolutionTest, FilesDoNotKnowIt) {
  const auto network = native_network();
  network->set_convolution(Convolution::kDirect);
  network->save_torchscript(folder_.file("network.ts"));
  EXPECT_EQ(load_torchscript(folder_.file("network.ts"))->convolution(), Convolution::kWinograd);
}

TEST_F(NetworkConvolutionTest, Float64IsAlwaysDirect) {
  const auto network = native_network();
  network->convert(at::kDouble);
  network->eval();
  const at::Tensor images = images_.to(at::kDouble);
  const at::Tensor expected = network->forward(images).logits;
  network->set_convolution(Convolution::kDirect);
  EXPECT_TRUE(same_bits(network->forward(images).logits, expected));
}

TEST_F(NetworkConvolutionTest, PredictionsOfAnyLayoutAreTheSame) {
  const auto network = native_network();
  EXPECT_TRUE(same_bits(network->predict(images_.contiguous()), network->predict(images_)));
  EXPECT_EQ(network->accuracy(images_.contiguous(), network->predict(images_).argmax(1)), 1.0);
}

TEST_F(NetworkConvolutionTest, ProgramsThatGoByStridesPredictContiguousImages) {
  torch::jit::Module module("Net");
  module.register_parameter("weight", at::randn({4, 3, 3, 3}).requires_grad_(), /*is_buffer=*/false);
  module.define(R"(
def forward(self, x):
    y = torch.conv2d(x, self.weight, None, [1, 1], [1, 1])
    return y.view(x.size(0), -1), [y]
)");
  module.save(folder_.file("view.ts"));
  EXPECT_EQ(load_torchscript(folder_.file("view.ts"))->predict(images_.contiguous()).size(1), 4 * 16 * 16);
}

TEST_F(NetworkConvolutionTest, ModulesWithoutForwardAreRefusedWhenTheyRun) {
  torch::jit::Module module("Net");
  module.define("def other(self, x):\n    return x\n");
  module.save(folder_.file("other.ts"));
  const auto loaded = load_torchscript(folder_.file("other.ts"));
  EXPECT_NE(test::error_of([&] { loaded->forward(images_); }).find("forward"), std::string::npos);
}

}  // namespace
}  // namespace retort
