#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/mlp.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include <memory>

#include "expect.h"
#include "export_test.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::same_bits;

using Sizes = std::vector<int64_t>;

std::shared_ptr<Network> mlp(const Sizes& sizes) {
  return make_mlp({sizes});
}

class MlpTest : public test::SeededTest {};

TEST_F(MlpTest, StateDictNamesAreTorchsSequentials) {
  EXPECT_EQ(
      mlp({6, 5, 4, 3})->state_dict().keys(),
      (std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"}));
  EXPECT_EQ(mlp({64, 10})->state_dict().keys(), (std::vector<std::string>{"0.weight", "0.bias"}));
  EXPECT_EQ(mlp({64, 128, 10})->parameter_count(), 64 * 128 + 128 + 128 * 10 + 10);
}

TEST_F(MlpTest, TapsAndTheirShapes) {
  const auto network = mlp({6, 5, 4, 3});
  network->probe({6});
  EXPECT_EQ(network->classes(), 3);
  EXPECT_EQ(
      network->tap_names(), (std::vector<std::string>{"layer1", "layer2", "layer1.pre", "layer2.pre", "embedding"}));
  EXPECT_EQ(network->tap_shape("layer1"), Sizes{5});
  EXPECT_EQ(network->tap_shape("layer2"), Sizes{4});
  EXPECT_EQ(network->tap_shape("layer1.pre"), Sizes{5});
  EXPECT_EQ(network->tap_shape("layer2.pre"), Sizes{4});
  EXPECT_EQ(network->tap_shape("embedding"), Sizes{4});

  const auto linear = mlp({6, 3});
  linear->probe({1, 2, 3});
  EXPECT_EQ(linear->tap_names(), std::vector<std::string>{"embedding"});
  EXPECT_EQ(linear->tap_shape("embedding"), Sizes{6});
}

TEST_F(MlpTest, ForwardAgreesWithTheArchitecture) {
  const auto network = mlp({6, 5, 4, 3});
  const auto state = network->state_dict();
  const at::Tensor x = at::randn({7, 6});
  const NetworkOutput output = network->forward(x);
  const at::Tensor pre1 = at::linear(x, state["0.weight"], state["0.bias"]);
  const at::Tensor pre2 = at::linear(at::relu(pre1), state["2.weight"], state["2.bias"]);
  const std::vector<at::Tensor> features = {at::relu(pre1), at::relu(pre2), pre1, pre2, at::relu(pre2)};
  for (size_t i = 0; i < features.size(); ++i) {
    EXPECT_TRUE(same_bits(output.features[i], features[i])) << network->tap_names()[i];
  }
  EXPECT_TRUE(same_bits(output.logits, at::linear(at::relu(pre2), state["4.weight"], state["4.bias"])));
}

TEST_F(MlpTest, InputsOfAnyShapeAreFlattened) {
  for (const Sizes& sizes : {Sizes{12, 5, 3}, Sizes{12, 3}}) {
    const auto network = mlp(sizes);
    const at::Tensor images = at::randn({4, 3, 2, 2});
    const at::Tensor expected = network->predict(images.view({4, 12}));
    EXPECT_TRUE(same_bits(network->predict(images), expected));
    EXPECT_TRUE(same_bits(network->predict(images.contiguous(at::MemoryFormat::ChannelsLast)), expected));
  }
}

TEST_F(MlpTest, GradientsReachEveryParameter) {
  const auto network = mlp({6, 5, 4, 3});
  network->forward(at::randn({16, 6})).logits.square().sum().backward();
  for (const auto& entry : network->named_parameters()) {
    SCOPED_TRACE(entry.key());
    ASSERT_TRUE(entry.value().grad().defined());
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0.0);
  }
}

TEST_F(MlpTest, WeightsComeFromTheDefaultGenerator) {
  manual_seed(1);
  const auto first = mlp({400, 50, 10});
  const auto other = mlp({400, 50, 10});
  manual_seed(1);
  const auto again = mlp({400, 50, 10});
  EXPECT_TRUE(same_bits(again->state_dict(), first->state_dict()));
  EXPECT_FALSE(same_bits(other->state_dict(), first->state_dict()));
  // Uniform over +-1 / sqrt(inputs).
  const at::Tensor weight = first->state_dict()["0.weight"];
  EXPECT_LE(weight.abs().max().item<double>(), 0.05);
  EXPECT_TRUE(close(weight.var().item<double>(), 0.05 * 0.05 / 3, 0.05));
}

class MlpProgramTest : public test::ExportTest {
 protected:
  MlpProgramTest() : ExportTest({2, 3}) {}
};

TEST_F(MlpProgramTest, ComputesTheSameBits) {
  for (const Sizes& sizes : {Sizes{6, 3}, Sizes{6, 5, 3}, Sizes{6, 5, 4, 3}}) {
    SCOPED_TRACE(at::IntArrayRef(sizes));
    const auto network = mlp(sizes);
    const auto program = exported(*network);
    EXPECT_EQ(program->tap_names(), network->tap_names());
    EXPECT_TRUE(same_bits(program->state_dict(), network->state_dict()));
    // TorchScript rewrites a program after its first runs.
    for (int run = 0; run < 4; ++run) {
      expect_same_pass(*network, *program, at::randn({7, 2, 3}));
    }
  }
}

TEST_F(MlpProgramTest, KeepsModeAndDtype) {
  const auto network = mlp({6, 5, 3});
  network->convert(at::kDouble);
  network->eval();
  const auto program = exported(*network);
  EXPECT_FALSE(program->is_training());
  EXPECT_EQ(program->tensor_options().dtype(), at::kDouble);
}

TEST_F(MlpTest, IsTrained) {
  const auto network = mlp({6, 16, 3});
  TrainingStepOptions options;
  options.student = network;
  options.input_shape = {6};
  TrainingStep step(options);
  Batch batch;
  batch.images = at::randn({9, 6});
  batch.labels = at::tensor({0, 1, 2, 0, 1, 2, 0, 1, 2}, at::kLong);
  StepResult first, last;
  step.run(batch, first);
  for (int i = 0; i < 200; ++i) step.run(batch, last);
  EXPECT_LT(last.cross_entropy, first.cross_entropy / 2);
  EXPECT_EQ(last.correct, 9);
}

TEST_F(MlpTest, RejectsOptions) {
  for (const Sizes& sizes : {Sizes{}, Sizes{10}}) {
    EXPECT_EQ(
        error_of([&] { mlp(sizes); }),
        c10::str("make_mlp: sizes must be at least two, of the input and of the output (got ", sizes.size(), ")"));
  }
  EXPECT_EQ(error_of([] { mlp({64, 0, 10}); }), "make_mlp: sizes must be positive (got 0)");
  EXPECT_EQ(error_of([] { mlp({64, -3}); }), "make_mlp: sizes must be positive (got -3)");
}

TEST_F(MlpTest, RejectsOtherImages) {
  const auto network = mlp({6, 3});
  for (const at::Tensor& images : {at::zeros({2, 5}), at::zeros({0, 2, 2}), at::zeros({6})}) {
    EXPECT_EQ(
        error_of([&] { network->predict(images); }),
        c10::str("Mlp: images must be of shape [batch, ...] with 6 elements each (got ", images.sizes(), ")"));
  }
}

}  // namespace
}  // namespace retort
