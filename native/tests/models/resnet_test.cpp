#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/resnet.h>
#include <retort/models/torchscript.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>

#include <memory>

#include "expect.h"
#include "export_test.h"
#include "files.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::same_bits;

ResNetOptions options_of(int64_t depth, int64_t classes = 10, int64_t input_channels = 3) {
  ResNetOptions options;
  options.depth = depth;
  options.classes = classes;
  options.input_channels = input_channels;
  return options;
}

class ResNetTest : public test::SeededTest {};

TEST_F(ResNetTest, SizesForDigits) {
  EXPECT_EQ(make_resnet(options_of(20, 10, 1))->parameter_count(), 272186);
  EXPECT_EQ(make_resnet(options_of(8, 10, 1))->parameter_count(), 77754);
}

TEST_F(ResNetTest, StateDictNamesAreThePublished) {
  std::vector<std::string> expected;
  const auto add = [&expected](const std::string& prefix, std::initializer_list<const char*> names) {
    for (const char* name : names) expected.push_back(prefix + name);
  };
  const auto add_norm = [&](const std::string& prefix) {
    add(prefix, {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  };
  const auto add_block = [&](const std::string& prefix, bool downsample) {
    add(prefix, {"conv1.weight"});
    add_norm(prefix + "bn1.");
    add(prefix, {"conv2.weight"});
    add_norm(prefix + "bn2.");
    if (!downsample) return;
    add(prefix, {"downsample.0.weight"});
    add_norm(prefix + "downsample.1.");
  };
  add("", {"conv1.weight"});
  add_norm("bn1.");
  for (const std::string layer : {"layer1.", "layer2.", "layer3."}) {
    for (const std::string block : {"0.", "1."}) add_block(layer + block, layer != "layer1." && block == "0.");
  }
  add("fc.", {"weight", "bias"});
  EXPECT_EQ(make_resnet(options_of(14))->state_dict().keys(), expected);
}

TEST_F(ResNetTest, WideFirstLayerHasADownsample) {
  ResNetOptions options = options_of(8);
  options.filters = {32, 64, 128, 256};
  EXPECT_TRUE(make_resnet(options)->state_dict().contains("layer1.0.downsample.0.weight"));
}

TEST_F(ResNetTest, TapsAndTheirShapes) {
  const auto network = make_resnet(options_of(8, 100));
  EXPECT_EQ(network->classes(), 0);
  EXPECT_TRUE(network->input_shape().empty());
  network->probe({3, 32, 32});
  EXPECT_EQ(network->classes(), 100);
  EXPECT_EQ(network->input_shape(), (std::vector<int64_t>{3, 32, 32}));
  const std::vector<std::pair<std::string, std::vector<int64_t>>> expected = {
      {"stem", {16, 32, 32}},       {"layer1", {16, 32, 32}},     {"layer2", {32, 16, 16}},   {"layer3", {64, 8, 8}},
      {"layer1.pre", {16, 32, 32}}, {"layer2.pre", {32, 16, 16}}, {"layer3.pre", {64, 8, 8}}, {"embedding", {64}}};
  ASSERT_EQ(network->tap_names().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(network->tap_names()[i], expected[i].first);
    EXPECT_EQ(network->tap_index(expected[i].first), static_cast<int64_t>(i));
    EXPECT_EQ(network->tap_shape(expected[i].first), expected[i].second);
  }
  network->probe({3, 20, 12});
  EXPECT_EQ(network->tap_shape("layer3.pre"), (std::vector<int64_t>{64, 5, 3}));
}

TEST_F(ResNetTest, FeaturesAreWhatTheirNamesSay) {
  const auto network = make_resnet(options_of(14));
  for (bool training : {false, true}) {
    network->train(training);
    const at::Tensor images = at::randn({4, 3, 16, 16});
    const NetworkOutput output = network->forward(images);
    const auto feature = [&](const std::string& tap) {
      return output.features[static_cast<size_t>(network->tap_index(tap))];
    };
    for (const std::string layer : {"layer1", "layer2", "layer3"}) {
      EXPECT_LT(feature(layer + ".pre").min().item<double>(), 0.0);
      EXPECT_TRUE(same_bits(feature(layer), at::relu(feature(layer + ".pre"))));
    }
    EXPECT_GE(feature("stem").min().item<double>(), 0.0);
    EXPECT_TRUE(close(feature("embedding"), feature("layer3").mean({2, 3})));
    const auto state = network->state_dict();
    EXPECT_TRUE(close(output.logits, at::linear(feature("embedding"), state["fc.weight"], state["fc.bias"])));
  }
}

TEST_F(ResNetTest, ForwardAgreesWithTheArchitecture) {
  // The paper's network, from the weights and ATen's operators alone.
  const auto network = make_resnet(options_of(14));
  network->convert(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    for (const auto& entry : network->named_buffers()) {
      if (entry.value().is_floating_point()) at::Tensor(entry.value()).uniform_(0.5, 1.5);
    }
  }
  const auto state = network->state_dict();
  const auto convolve = [&](const at::Tensor& x, const std::string& name, int64_t stride) {
    const at::Tensor& weight = state[name + ".weight"];
    return at::conv2d(x, weight, {}, stride, weight.size(2) / 2);
  };
  const auto normalise = [&](const at::Tensor& x, const std::string& name) {
    return at::batch_norm(
        x, state[name + ".weight"], state[name + ".bias"], state[name + ".running_mean"], state[name + ".running_var"],
        /*training=*/false, 0.1, 1e-5, /*cudnn_enabled=*/false);
  };
  const at::Tensor images = at::randn({2, 3, 12, 12}, at::kDouble);
  at::Tensor x = at::relu(normalise(convolve(images, "conv1", 1), "bn1"));
  for (const std::string layer : {"layer1", "layer2", "layer3"}) {
    for (const std::string block : {"0", "1"}) {
      const std::string name = layer + "." + block;
      const int64_t stride = layer != "layer1" && block == "0" ? 2 : 1;
      const at::Tensor inner = at::relu(normalise(convolve(x, name + ".conv1", stride), name + ".bn1"));
      const at::Tensor shortcut =
          stride == 1 ? x : normalise(convolve(x, name + ".downsample.0", stride), name + ".downsample.1");
      x = at::relu(normalise(convolve(inner, name + ".conv2", 1), name + ".bn2") + shortcut);
    }
  }
  EXPECT_TRUE(close(network->predict(images), at::linear(x.mean({2, 3}), state["fc.weight"], state["fc.bias"])));
}

TEST_F(ResNetTest, WeightsComeFromTheDefaultGenerator) {
  manual_seed(1);
  const auto first = make_resnet(options_of(8));
  const auto other = make_resnet(options_of(8));
  manual_seed(1);
  const auto again = make_resnet(options_of(8));
  EXPECT_TRUE(same_bits(again->state_dict(), first->state_dict()));
  EXPECT_FALSE(same_bits(other->state_dict(), first->state_dict()));

  // Kaiming normal over the fan out: variance 2 / (64 * 3 * 3).
  const auto state = first->state_dict();
  EXPECT_TRUE(close(state["layer3.0.conv1.weight"].var().item<double>(), 2.0 / 576, 0.05));
  EXPECT_TRUE(close(state["layer3.0.conv1.weight"].mean().item<double>() + 1, 1.0, 0.01));
  EXPECT_TRUE(same_bits(state["layer2.0.bn2.weight"], at::ones({32})));
  EXPECT_TRUE(same_bits(state["layer2.0.bn2.bias"], at::zeros({32})));
  EXPECT_LE(state["fc.weight"].abs().max().item<double>(), 1.0 / 8);  // 1 / sqrt(64)
}

class ResNetProgramTest : public test::ExportTest {
 protected:
  ResNetProgramTest() : ExportTest({3, 8, 8}) {}
};

TEST_F(ResNetProgramTest, ComputesTheSameBits) {
  ResNetOptions wide = options_of(8);
  wide.filters = {8, 16, 24, 32};
  for (const ResNetOptions& options : {options_of(8), options_of(20), wide}) {
    SCOPED_TRACE(c10::str("depth ", options.depth, ", filters ", at::IntArrayRef(options.filters)));
    const auto network = make_resnet(options);
    const auto program = exported(*network);
    EXPECT_EQ(program->tap_names(), network->tap_names());
    // TorchScript rewrites a program after its first runs.
    for (const bool training : {true, true, true, false, false, true}) {
      network->train(training);
      program->train(training);
      expect_same_pass(*network, *program, at::randn({3, 3, 8, 8}));
      EXPECT_TRUE(same_bits(program->state_dict(), network->state_dict()));
    }
    EXPECT_EQ(program->state_dict()["bn1.num_batches_tracked"].item<int64_t>(), 4);
  }
}

TEST_F(ResNetProgramTest, IsTrainedAsTheOriginal) {
  const auto network = make_resnet(options_of(8));
  std::vector<std::shared_ptr<Network>> students = {exported(*network), network};
  std::vector<test::NamedTensors> states;
  for (const auto& student : students) {
    TrainingStepOptions options;
    options.student = student;
    options.input_shape = {3, 8, 8};
    TrainingStep step(options);
    Batch batch;
    batch.images = at::arange(3 * 3 * 8 * 8).reshape({3, 3, 8, 8}).sin();
    batch.labels = at::tensor({1, 0, 9}, at::kLong);
    StepResult result;
    for (int i = 0; i < 4; ++i) step.run(batch, result);
    states.push_back(copy_of(step.state()));
  }
  EXPECT_TRUE(same_bits(states[0], states[1]));
}

TEST_F(ResNetProgramTest, KeepsModeAndDtype) {
  const auto network = make_resnet(options_of(8));
  network->convert(at::kDouble);
  EXPECT_TRUE(exported(*network)->is_training());
  network->eval();
  network->named_children()["bn1"]->train();
  const auto program = exported(*network);
  EXPECT_FALSE(program->is_training());
  EXPECT_TRUE(program->named_children()["bn1"]->is_training());
  EXPECT_EQ(program->tensor_options().dtype(), at::kDouble);
}

TEST_F(ResNetProgramTest, RefusesToTrainOnASinglePixel) {
  // The batch's variance would be that of one value.
  const at::Tensor image = at::zeros({1, 3, 4, 4});
  const auto network = make_resnet(options_of(8));
  EXPECT_THROW(network->forward(image), std::exception);
  EXPECT_EQ(
      error_of([&] { exported(*network)->forward(image); }),
      "TorchScriptNetwork: images must be accepted by the module (got [1, 3, 4, 4]: AssertionError: Expected more than "
      "1 value per channel when training)");
}

TEST_F(ResNetProgramTest, IsNotReachedByLaterTraining) {
  const auto network = make_resnet(options_of(8));
  const auto program = exported(*network);
  const auto before = copy_of(program->state_dict());
  network->forward(at::randn({2, 3, 8, 8}));
  at::Tensor(network->state_dict()["fc.weight"]).zero_();
  EXPECT_TRUE(same_bits(program->state_dict(), before));
  EXPECT_TRUE(same_bits(load_torchscript(folder_.file("network.ts"))->state_dict(), before));
}

TEST_F(ResNetProgramTest, RejectsPaths) {
  const std::string nowhere = folder_.file("nowhere") + "/network.ts";
  EXPECT_EQ(
      test::file_error_of([&] { make_resnet(options_of(8))->save_torchscript(nowhere); }),
      "Network.save_torchscript: path must be a file that can be written (got " + nowhere +
          ": No such file or directory)");
}

TEST_F(ResNetTest, RejectsOptions) {
  for (int64_t depth : std::initializer_list<int64_t>{-4, 0, 2, 7, 9, 21, 1208, 6000000044}) {
    EXPECT_EQ(
        error_of([&] { make_resnet(options_of(depth)); }),
        c10::str("make_resnet: depth must be 6n + 2 between 8 and 1202 (got ", depth, ")"));
  }
  EXPECT_EQ(error_of([] { make_resnet(options_of(8, 0)); }), "make_resnet: classes must be positive (got 0)");
  EXPECT_EQ(
      error_of([] { make_resnet(options_of(8, 10, -1)); }), "make_resnet: input channels must be positive (got -1)");
  ResNetOptions options;
  options.filters = {16, 16, 32};
  EXPECT_EQ(error_of([&] { make_resnet(options); }), "make_resnet: filters must be four numbers (got 3)");
  options.filters = {16, 16, 0, 64};
  EXPECT_EQ(error_of([&] { make_resnet(options); }), "make_resnet: filters must be positive (got 0)");
}

}  // namespace
}  // namespace retort
