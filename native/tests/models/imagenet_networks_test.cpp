#include <ATen/Functions.h>
#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <gtest/gtest.h>
#include <retort/retort.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "expect.h"
#include "export_test.h"
#include "files.h"
#include "optimizers.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

using Shape = std::vector<int64_t>;

/// As in python/torchvision_networks_test.py, but by repeating the numbers, which come again.
at::Tensor wave(int64_t count, int64_t number = 0) {
  constexpr int64_t kPeriod = 9973;
  const at::Tensor k = at::arange(kPeriod, at::kLong);
  const at::Tensor mixed = (k * k).remainder(kPeriod) * (number + 3) + k * 31 + 17 * number;
  const at::Tensor period = mixed.remainder(kPeriod).to(at::kDouble) / 4986 - 1;
  return period.repeat({count / kPeriod + 1}).narrow(0, 0, count).clone();
}

/// As there.
void fill(Network& network) {
  const at::NoGradGuard no_grad;
  int64_t number = 0;
  for (const auto& entry : network.state_dict()) {
    at::Tensor value = entry.value();
    const std::string& name = entry.key();
    const bool is_scale = name.substr(name.rfind('.')) == ".weight" || name.substr(name.rfind('.')) == ".running_var";
    if (value.dim() > 0) {
      at::Tensor values = wave(value.numel(), number).view_as(value);
      if (value.dim() == 4) {
        values.mul_(std::sqrt(2.0 / static_cast<double>(value.size(0) * value.size(2) * value.size(3))));
      } else if (value.dim() == 2) {
        values.div_(10);
      } else if (is_scale) {
        values = values.div_(2).add_(1);
      }
      value.copy_(values);
    }
    ++number;
  }
}

/// A value's norm and its product with a wave.
std::pair<double, double> projected(const at::Tensor& value) {
  const at::Tensor flat = value.detach().flatten();
  return {flat.norm().item<double>(), flat.dot(wave(flat.numel())).item<double>()};
}

/// Dropout draws as it likes, and statistics become those of the batch.
void set_training(Network& network) {
  network.train();
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (module->as<torch::nn::Dropout>()) module->eval();
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) norm->options.momentum(1.0);
  }
}

/// What torchvision says of a network in full size, see python/torchvision_networks_test.py.
class TorchvisionCase {
 public:
  explicit TorchvisionCase(const std::string& path) {
    const std::string bytes = test::bytes_of(path);
    if (bytes.empty()) throw std::runtime_error("no case of a network at " + path);
    values_ = torch::jit::pickle_load({bytes.begin(), bytes.end()}).toGenericDict();
  }

  at::Tensor operator[](const std::string& key) const { return values_.at(key).toTensor(); }
  c10::impl::GenericDict entries(const std::string& key) const { return values_.at(key).toGenericDict(); }

  /// Expects the same outputs and gradients.
  void expect(Network& network, const at::Tensor& images) const {
    set_training(network);
    const at::Tensor training = network.forward(images).logits;
    EXPECT_TRUE(close(training, (*this)["training"], kTolerance));
    (training * wave(training.numel()).view_as(training)).sum().backward();
    const auto gradients = entries("gradients");
    const auto parameters = network.named_parameters();
    ASSERT_EQ(parameters.size(), gradients.size());
    double largest = 0;
    for (const auto& entry : parameters) largest = std::max(largest, entry.value().grad().norm().item<double>());
    size_t place = 0;
    for (const auto& entry : gradients) {
      const auto& parameter = parameters[place++];
      EXPECT_EQ(parameter.key(), entry.key().toStringRef());
      SCOPED_TRACE("gradient of " + parameter.key());
      expect_same(parameter.value().grad(), entry.value(), largest);
    }
    network.eval();
    const NetworkOutput output = network.forward(images);
    EXPECT_TRUE(close(output.logits, (*this)["logits"], kTolerance));
    const auto taps = entries("taps");
    EXPECT_EQ(taps.size(), output.features.size());
    for (size_t i = 0; i < output.features.size(); ++i) {
      const std::string tap = network.tap_names()[i];
      SCOPED_TRACE(tap);
      expect_same(output.features[i], taps.at(tap), 0);
    }
  }

 private:
  static constexpr double kTolerance = 1e-9;

  /// @param expected the value or its projections
  /// @param scale of values next to which others are zero but for rounding
  static void expect_same(const at::Tensor& value, const c10::IValue& expected, double scale) {
    const auto [norm, product] = projected(value);
    double expected_norm, difference;
    if (expected.isTensor()) {
      ASSERT_EQ(value.sizes(), expected.toTensor().sizes());
      expected_norm = expected.toTensor().norm().item<double>();
      difference = (value - expected.toTensor()).norm().item<double>();
    } else {
      expected_norm = expected.toListRef()[0].toDouble();
      const double length = wave(value.numel()).norm().item<double>();
      difference =
          std::max(std::abs(norm - expected_norm), std::abs(product - expected.toListRef()[1].toDouble()) / length);
    }
    EXPECT_LE(difference, kTolerance * std::max(expected_norm, 1e-6 * scale));
  }

  c10::impl::GenericDict values_{c10::AnyType::get(), c10::AnyType::get()};
};

class ImageNetNetworksTest : public test::ExportTest {
 protected:
  ImageNetNetworksTest() : ExportTest({3, 32, 32}) {}
};

TEST_F(ImageNetNetworksTest, AgreeWithTorchvision) {
  for (const std::string name : {"resnet18", "resnet34", "resnet50", "mobilenet_v2"}) {
    SCOPED_TRACE(name);
    const TorchvisionCase expected(std::string(RETORT_NETWORKS_DIR) + "/imagenet_full_" + name + ".pt");
    const auto network = make_network(name, 10);
    network->convert(at::kDouble);
    const auto state = network->state_dict();
    const auto shapes = expected.entries("shapes");
    ASSERT_EQ(state.size(), shapes.size());
    size_t place = 0;
    for (const auto& entry : shapes) {
      EXPECT_EQ(state[place].key(), entry.key().toStringRef());
      Shape shape;
      for (const c10::IValue& size : entry.value().toListRef()) shape.push_back(size.toInt());
      EXPECT_EQ(state[place].value().sizes(), at::IntArrayRef(shape)) << state[place].key();
      ++place;
    }
    fill(*network);
    expected.expect(*network, wave(3 * 3 * 33 * 33, 1).view({3, 3, 33, 33}));
  }
}

TEST_F(ImageNetNetworksTest, HandedOverAgreeWithTorchvision) {
  const char* folder = std::getenv("RETORT_TORCHVISION_CASES");
  if (!folder) GTEST_SKIP() << "RETORT_TORCHVISION_CASES names no folder of cases";
  ASSERT_FALSE(std::filesystem::is_empty(folder));
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".pt") continue;
    SCOPED_TRACE(file.path().stem());
    const TorchvisionCase expected(file.path());
    const auto network = make_network(file.path().stem(), 10);
    network->load_state_dict(std::filesystem::path(file).replace_extension(".pth"));
    network->convert(at::kDouble);
    expected.expect(*network, expected["images"]);
  }
}

TEST_F(ImageNetNetworksTest, TapsHaveTheSizesOfTheImagesOfImageNet) {
  struct Taps {
    std::string name;
    Shape stem;
    Shape channels;
    int64_t embedding;
  };
  for (const Taps& taps :
       {Taps{"resnet18", {64, 56, 56}, {64, 128, 256, 512}, 512},
        Taps{"resnet50", {64, 56, 56}, {256, 512, 1024, 2048}, 2048},
        Taps{"mobilenet_v2", {32, 112, 112}, {24, 32, 96, 320}, 1280}}) {
    SCOPED_TRACE(taps.name);
    const auto network = make_network(taps.name, 7);
    network->probe({3, 224, 224});
    EXPECT_EQ(network->classes(), 7);
    EXPECT_EQ(network->tap_shape("stem"), taps.stem);
    for (size_t i = 0; i < 4; ++i) {
      const std::string layer = "layer" + std::to_string(i + 1);
      const int64_t size = 56 >> i;
      EXPECT_EQ(network->tap_shape(layer), (Shape{taps.channels[i], size, size}));
      EXPECT_EQ(network->tap_shape(layer + ".pre"), network->tap_shape(layer));
    }
    EXPECT_EQ(network->tap_shape("embedding"), Shape{taps.embedding});
  }
}

TEST_F(ImageNetNetworksTest, TakeOtherImages) {
  for (const std::string name : {"resnet18", "mobilenet_v2"}) {
    const auto network = make_network(name, 7, 1);
    for (const Shape& shape : {Shape{2, 1, 32, 47}, Shape{1, 1, 28, 28}}) {
      EXPECT_EQ(network->predict(at::zeros(shape)).sizes(), at::IntArrayRef({shape[0], 7})) << name;
    }
  }
}

/// Maps before ReLU are what the maps after it come from.
TEST_F(ImageNetNetworksTest, FeaturesAreWhatTheirNamesSay) {
  const auto network = make_network("resnet18", 5);
  const NetworkOutput output = network->forward(at::randn({2, 3, 32, 32}));
  for (const std::string layer : {"layer1", "layer2", "layer3", "layer4"}) {
    const auto feature = [&](const std::string& tap) {
      return output.features[static_cast<size_t>(network->tap_index(tap))];
    };
    EXPECT_LT(feature(layer + ".pre").min().item<double>(), 0.0);
    EXPECT_TRUE(same_bits(feature(layer), at::relu(feature(layer + ".pre"))));
  }
  EXPECT_GE(output.features[0].min().item<double>(), 0.0);
}

TEST_F(ImageNetNetworksTest, WeightsAreDrawnAsTorchvisions) {
  const auto deviation = [](const at::Tensor& weight) { return weight.std().item<double>(); };
  // Over the fan out: sqrt(2 / (kernel² out)).
  const auto resnet = make_network("resnet18", 100)->state_dict();
  EXPECT_TRUE(close(deviation(resnet["conv1.weight"]), std::sqrt(2.0 / (49 * 64)), 0.03));
  EXPECT_TRUE(close(deviation(resnet["layer4.1.conv2.weight"]), std::sqrt(2.0 / (9 * 512)), 0.01));
  EXPECT_TRUE(close(deviation(resnet["layer3.0.downsample.0.weight"]), std::sqrt(2.0 / 256), 0.02));
  EXPECT_TRUE(same_bits(resnet["layer4.1.bn2.weight"], at::ones({512})));
  EXPECT_TRUE(same_bits(resnet["layer4.1.bn2.bias"], at::zeros({512})));
  // As torch::nn::Linear: uniform up to 1 / sqrt(in), the bias as well.
  EXPECT_TRUE(close(resnet["fc.weight"].abs().max().item<double>(), 1 / std::sqrt(512.0), 0.001));
  EXPECT_GT(resnet["fc.bias"].abs().max().item<double>(), 0.5 / std::sqrt(512.0));
  const auto mobile = make_network("mobilenet_v2", 100)->state_dict();
  EXPECT_TRUE(close(deviation(mobile["features.18.0.weight"]), std::sqrt(2.0 / 1280), 0.03));
  EXPECT_TRUE(close(deviation(mobile["features.16.conv.1.0.weight"]), std::sqrt(2.0 / (9 * 960)), 0.05));
  EXPECT_TRUE(close(deviation(mobile["features.16.conv.2.weight"]), std::sqrt(2.0 / 160), 0.03));
  EXPECT_TRUE(close(deviation(mobile["classifier.1.weight"]), 0.01, 0.03));
  EXPECT_TRUE(same_bits(mobile["classifier.1.bias"], at::zeros({100})));
}

TEST_F(ImageNetNetworksTest, WidthIsRoundedAsTorchvisions) {
  struct Width {
    double width;
    Shape channels;  // of the stem, layers 1 to 4 and the embedding
  };
  for (const Width& expected :
       {Width{0.35, {16, 8, 16, 32, 112, 1280}}, Width{0.75, {24, 24, 24, 72, 240, 1280}},
        Width{1.4, {48, 32, 48, 136, 448, 1792}}}) {
    SCOPED_TRACE(expected.width);
    ImageNetMobileNetV2Options options;
    options.width = expected.width;
    const auto network = make_imagenet_mobilenet_v2(options);
    network->probe({3, 32, 32});
    Shape channels;
    for (const char* tap : {"stem", "layer1", "layer2", "layer3", "layer4", "embedding"}) {
      channels.push_back(network->tap_shape(tap)[0]);
    }
    EXPECT_EQ(channels, expected.channels);
    EXPECT_EQ(network->classes(), 1000);
  }
}

ImageNetMobileNetV2Options narrow_mobilenet_v2(double dropout) {
  ImageNetMobileNetV2Options options;
  options.width = 0.0625;
  options.classes = 5;
  options.dropout = dropout;
  return options;
}

TEST_F(ImageNetNetworksTest, DropoutFollowsTheModeInTheProgramToo) {
  const auto network = make_imagenet_mobilenet_v2(narrow_mobilenet_v2(0.25));
  const auto program = exported(*network);
  const at::Tensor images = at::randn({4, 3, 32, 32});
  for (const auto& one : {network, program}) {
    SCOPED_TRACE(one->name());
    const auto logits_of = [&](bool training) {
      one->train(training);
      return one->forward(images).logits.detach();
    };
    EXPECT_TRUE(same_bits(logits_of(false), logits_of(false)));
    // Statistics move, but those of the batch are what training uses.
    EXPECT_FALSE(close(logits_of(true), logits_of(true), 1e-3));
  }
  // A quarter of the inputs is dropped, and the others stand in for them.
  network->train();
  const at::Tensor ones = at::ones({1, 1280});
  at::Tensor drawn;
  for (const auto& module : network->modules()) {
    if (auto* dropout = module->as<torch::nn::Dropout>()) drawn = dropout->forward(ones);
  }
  ASSERT_TRUE(drawn.defined());
  EXPECT_TRUE(close(drawn.eq(0).to(at::kDouble).mean().item<double>(), 0.25, 0.2));
  EXPECT_TRUE(close(drawn.max().item<double>(), 1 / 0.75, 1e-6));
}

TEST_F(ImageNetNetworksTest, EmbeddingIsBeforeDropout) {
  const auto network = make_imagenet_mobilenet_v2(narrow_mobilenet_v2(0.5));
  network->train();
  const at::Tensor images = at::randn({4, 3, 32, 32});
  const auto embedding = [&] { return network->forward(images).features.back(); };
  EXPECT_TRUE(close(embedding(), embedding(), 1e-6));
}

TEST_F(ImageNetNetworksTest, PublishedWeightsArePredictedWithoutDropout) {
  const auto network = make_imagenet_mobilenet_v2(narrow_mobilenet_v2(0.9));
  const at::Tensor images = at::randn({2, 3, 32, 32});
  network->train();
  network->publish();
  const at::Tensor before = network->predict(images);
  EXPECT_TRUE(same_bits(network->predict(images), before));
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& parameter : network->parameters()) parameter.mul_(0.5);
  }
  EXPECT_TRUE(same_bits(network->predict(images), before));
  network->publish();
  EXPECT_FALSE(close(network->predict(images), before, 1e-3));
}

/// Each student learns from a ResNet-50 by all losses at once.
TEST_F(ImageNetNetworksTest, AreTrainedByEveryLoss) {
  const auto teacher = make_network("resnet50", 5);
  const std::vector<std::string> maps = {"layer1", "layer2", "layer3", "layer4"};
  const std::vector<std::string> before = {"layer1.pre", "layer2.pre", "layer3.pre", "layer4.pre"};
  std::vector<std::string> norms;
  for (const std::string& tap : before) norms.push_back(teacher->norm_before(tap));
  for (const std::string name : {"resnet18", "mobilenet_v2"}) {
    SCOPED_TRACE(name);
    TrainingStepOptions options;
    options.student = make_network(name, 5);
    options.teachers = {teacher};
    options.input_shape = {3, 64, 64};
    options.optimizer = test::sgd(0.01);
    const auto crd = std::make_shared<CrdOptions>();
    crd->samples = 8;
    crd->negatives = 3;
    const auto fsp = std::make_shared<FspOptions>();
    fsp->adapt_channels = true;
    const auto ofd = std::make_shared<OfdOptions>();
    ofd->margins = ofd_expected_margins(*teacher, norms);
    const auto nst = std::make_shared<NstOptions>();
    nst->kernel = NstKernel::kPolynomial;
    options.terms = {
        {0.9, std::make_shared<KdOptions>(), {}, {}},
        {0.8, crd, {"embedding"}, {"embedding"}},
        {1e-3, ofd, before, before},
        {1, fsp, {"layer1", "layer2"}, {"layer1", "layer2"}},
        {10, nst, maps, maps}};
    TrainingStep step(options);
    Batch batch;
    batch.images = at::randn({4, 3, 64, 64});
    batch.labels = at::tensor({0, 4, 3, 1}, at::kLong);
    batch.indices = at::arange(4, at::kLong);
    batch.contrast = crd_contrast(batch.indices, crd->samples, crd->negatives);
    StepResult result;
    const auto earlier = test::copy_of(options.student->state_dict());
    step.run(batch, result);
    ASSERT_EQ(result.terms.size(), options.terms.size());
    for (double term : result.terms) {
      EXPECT_TRUE(std::isfinite(term));
      EXPECT_GT(term, 0.0);
    }
    for (const auto& entry : options.student->named_parameters()) {
      EXPECT_TRUE(entry.value().isfinite().all().item<bool>()) << entry.key();
    }
    EXPECT_FALSE(same_bits(options.student->parameters()[0], earlier[0].value()));
  }
}

TEST_F(ImageNetNetworksTest, RejectOptions) {
  for (int64_t depth : {0, 8, 20, 101}) {
    ImageNetResNetOptions options;
    options.depth = depth;
    EXPECT_EQ(
        error_of([&] { make_imagenet_resnet(options); }),
        c10::str("make_imagenet_resnet: depth must be 18, 34 or 50 (got ", depth, ")"));
  }
  ImageNetResNetOptions options;
  options.classes = 0;
  EXPECT_EQ(error_of([&] { make_imagenet_resnet(options); }), "make_imagenet_resnet: classes must be positive (got 0)");
  options = {};
  options.input_channels = -1;
  EXPECT_EQ(
      error_of([&] { make_imagenet_resnet(options); }),
      "make_imagenet_resnet: input channels must be positive (got -1)");
  options = {};
  options.filters = {64, 64, 128, 256};
  EXPECT_EQ(
      error_of([&] { make_imagenet_resnet(options); }), "make_imagenet_resnet: filters must be five numbers (got 4)");
  options.filters = {64, 64, 128, 0, 512};
  EXPECT_EQ(error_of([&] { make_imagenet_resnet(options); }), "make_imagenet_resnet: filters must be positive (got 0)");

  const std::string mobile = "make_imagenet_mobilenet_v2: ";
  const auto error = [](double width, int64_t classes, int64_t channels, double dropout) {
    return error_of([&] { make_imagenet_mobilenet_v2({width, classes, channels, dropout}); });
  };
  EXPECT_EQ(error(0.05, 5, 3, 0), mobile + "width must be between 0.0625 and 16 (got 0.05)");
  EXPECT_EQ(error(NAN, 5, 3, 0), mobile + "width must be between 0.0625 and 16 (got nan)");
  EXPECT_EQ(error(1, 0, 3, 0), mobile + "classes must be positive (got 0)");
  EXPECT_EQ(error(1, 5, 0, 0), mobile + "input channels must be positive (got 0)");
  EXPECT_EQ(error(1, 5, 3, 1), mobile + "dropout must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(error(1, 5, 3, -0.5), mobile + "dropout must be at least 0 and below 1 (got -0.5)");
  EXPECT_EQ(
      error_of([] {
        make_network("resnet18", 5)->predict(at::zeros({2, 1, 32, 32}));
      }),
      "ResNet: images must be of shape [batch, 3, height, width] (got [2, 1, 32, 32])");
}

}  // namespace
}  // namespace retort
